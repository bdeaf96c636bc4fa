"""Named architectures: Flax modules as the three functions of a network."""

import abc
import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PyTree

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.embedding_head import EmbeddingHead
from pfiq_jax.recognizers.layer_outputs import Layer, run_with_probes
from pfiq_jax.recognizers.network import Embedding, Features, Units

Part = Literal["trunk", "head", "quality_head"]
PARTS = get_args(Part)


@dataclass(frozen=True)
class Architecture(abc.ABC):
    """A named network; subclasses are frozen dataclasses of its options, so equal ones compile once.

    Its parameters are a nested dictionary ``{"trunk": ..., "head": ...}`` of arrays, with ``"quality_head"`` if the
    network has one. All keys are strings, those of lists two digits.
    """

    def __str__(self) -> str:
        """The name with the first option, and those that are not the default ones."""
        options = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        changed = {name: v for name, (v, default) in options.items() if v != default or name == next(iter(options))}
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in changed.items())})"

    @abc.abstractmethod
    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        """The module from preprocessed images to features."""

    @abc.abstractmethod
    def build_head(self, rngs: nnx.Rngs) -> EmbeddingHead:
        """The module from features to the embedding."""

    def build_quality_head(self, rngs: nnx.Rngs) -> nnx.Module | None:
        """The module from the embedding to a learned quality (batch, 1); None for networks without one."""
        return None

    @property
    @abc.abstractmethod
    def blocks(self) -> tuple[str, ...]:
        """Names of the last layers at each of the trunk's last four resolutions; GraFIQs' blocks 1 to 4."""

    def initialize(self, key: jax.Array) -> PyTree[Array]:
        """Random parameters."""
        modules = {part: self._build(part, nnx.Rngs(jax.random.fold_in(key, i))) for i, part in enumerate(PARTS)}
        return {part: _state_of(module)[1] for part, module in modules.items() if module is not None}

    def shapes(self) -> PyTree[jax.ShapeDtypeStruct]:
        """The tree that ``initialize`` gives, without values."""
        abstract = {part: self._abstract(part)[1] for part in PARTS}
        return {part: shapes for part, shapes in abstract.items() if shapes}

    def trunk(self, parameters: PyTree[Array], images: Float[Array, "batch height width 3"]) -> Features:
        """Features of preprocessed images, computed in the dtype of the trunk's parameters."""
        return self.module("trunk", parameters)(images.astype(self._trunk_dtype(parameters)))

    def units(self, parameters: PyTree[Array], features: Features) -> Units:
        """What dropout acts on where the network was trained with it."""
        return self.module("head", parameters).units(features)

    def project(self, parameters: PyTree[Array], units: Units) -> Embedding:
        """The embedding of units."""
        return self.module("head", parameters).project(units)

    def layers(
        self,
        parameters: PyTree[Array],
        images: Float[Array, "batch height width 3"],
        *,
        offsets: Mapping[str, Array] = MappingProxyType({}),
    ) -> dict[str, Layer]:
        """All layers of the network while it runs, by their names, such as ``trunk.stages.00.01.conv1``.

        Args:
            parameters: as for ``trunk``.
            images: preprocessed.
            offsets: what is added to the output of layers, by their names. The gradient by an offset of zeros is the
                gradient by that layer's output.
        """
        x: Any = images
        found: dict[str, Layer] = {}
        for part in (part for part in PARTS if part in parameters):
            x, layers = self.part_layers(part, parameters, x, offsets=offsets)
            found |= layers
        return found

    def part_layers(
        self,
        part: Part,
        parameters: PyTree[Array],
        x: Array,
        *,
        offsets: Mapping[str, Array] = MappingProxyType({}),
    ) -> tuple[Array, dict[str, Layer]]:
        """The output of one part of the network, and the layers inside it; arguments as for ``layers``."""
        of_part = {
            tuple(_list_index(key) for key in name.split(".")[1:]): offset
            for name, offset in offsets.items()
            if name.startswith(f"{part}.")
        }
        x = x.astype(self._trunk_dtype(parameters)) if part == "trunk" else x
        output, layers = run_with_probes(self.module(part, parameters), x, of_part)
        return output, {layer_name(part, path): layer for path, layer in layers.items()}

    def module(self, part: Part, parameters: PyTree[Array]) -> Any:
        """The module of a part, with its parameters.

        Raises:
            PfiqError: for parameters of another structure; it names the first path that differs.
        """
        graph, shapes = self._abstract(part)
        _check_structure(part, shapes, parameters.get(part, {}))
        return nnx.merge(graph, _with_list_keys(parameters[part]))

    def _trunk_dtype(self, parameters: PyTree[Array]) -> jnp.dtype:
        return jax.tree.leaves(parameters["trunk"])[0].dtype

    def _build(self, part: Part, rngs: nnx.Rngs) -> nnx.Module | None:
        build = {"trunk": self.build_trunk, "head": self.build_head, "quality_head": self.build_quality_head}
        return build[part](rngs)

    @functools.cache  # noqa: B019 (architectures are few, small, and equal ones share an entry)
    def _abstract(self, part: Part) -> tuple[nnx.GraphDef, PyTree]:
        return _state_of(nnx.eval_shape(lambda: self._build(part, ShapeRngs())))


def list_key(index: int) -> str:
    """The key of a list's element in a parameter tree; of fixed width, so that sorted keys keep the list's order."""
    return f"{index:02}"


def layer_name(part: str, path: Sequence[str | int]) -> str:
    """A layer's dotted name, in the form of ``path_name``."""
    return ".".join((part, *(list_key(key) if isinstance(key, int) else key for key in path)))


def path_name(path: jax.tree_util.KeyPath) -> str:
    """A leaf's dotted name, such as ``trunk.stages.00.01.conv1.kernel``."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _state_of(module: nnx.Module | None) -> tuple[nnx.GraphDef, PyTree]:
    graph, state = nnx.split(module)
    return graph, _with_string_keys(nnx.to_pure_dict(state))


def _with_string_keys(tree: PyTree) -> PyTree:
    if not isinstance(tree, dict):
        return tree
    return {list_key(key) if isinstance(key, int) else key: _with_string_keys(child) for key, child in tree.items()}


def _with_list_keys(tree: PyTree) -> PyTree:
    if not isinstance(tree, dict):
        return tree
    return {_list_index(key): _with_list_keys(child) for key, child in tree.items()}


def _list_index(key: str) -> str | int:
    return int(key) if key.isdecimal() else key


def _check_structure(part: str, expected: PyTree, found: PyTree) -> None:
    known, given = ([path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(t)] for t in (expected, found))
    for name, other in itertools.zip_longest(known, given, fillvalue="nothing"):
        if name != other:
            raise PfiqError(
                f"parameters do not have the structure of the network: {part} has {other} where {name} belongs; "
                "restore them into the tree of a loaded recogniser."
            )


class ShapeRngs(nnx.Rngs):
    """Random keys for building without values: one key for all, since counting keys would take most of the time."""

    def __init__(self) -> None:
        super().__init__(0)
        self.params = OneKey(jax.random.key(0), tag="params")


class OneKey(nnx.RngStream):
    """The same key every time."""

    def __call__(self) -> jax.Array:
        return self.key[...]
