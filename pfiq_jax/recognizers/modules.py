"""Flax modules as pure functions of their parameters, which are nested dictionaries with string keys."""

import abc
import functools
import itertools
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import jax
from flax import nnx
from jaxtyping import Array, PyTree

from pfiq_jax.errors import PfiqError


@dataclass(frozen=True)
class Modules(abc.ABC):
    """A network made of Flax modules. Subclasses are frozen dataclasses of its options, so equal networks compile once.

    Its parameters are a nested dictionary of arrays with one entry per part. All keys are strings. The keys of lists
    have two digits ("00", "01").

    Attributes:
        parts: names of the modules.
    """

    parts: ClassVar[tuple[str, ...]]

    def __str__(self) -> str:
        """The name with the first option, and all options that differ from their defaults."""
        options = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        changed = {name: v for name, (v, default) in options.items() if v != default or name == next(iter(options))}
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in changed.items())})"

    @abc.abstractmethod
    def build(self, part: str, rngs: nnx.Rngs) -> nnx.Module | None:
        """The module of a part; None if the options leave it out."""

    def initialize(self, key: jax.Array) -> PyTree[Array]:
        """Random parameters."""
        modules = {part: self.build(part, nnx.Rngs(jax.random.fold_in(key, i))) for i, part in enumerate(self.parts)}
        return {part: state_of(module)[1] for part, module in modules.items() if module is not None}

    def shapes(self) -> PyTree[jax.ShapeDtypeStruct]:
        """The tree that ``initialize`` returns, without values."""
        abstract = {part: self._abstract(part)[1] for part in self.parts}
        return {part: shapes for part, shapes in abstract.items() if shapes}

    def module(self, part: str, parameters: PyTree[Array]) -> Any:
        """The module of a part, with its parameters.

        Raises:
            PfiqError: for parameters of another structure; the message names the first path that differs.
        """
        graph, shapes = self._abstract(part)
        _check_structure(part, shapes, parameters.get(part, {}))
        return nnx.merge(graph, _with_list_keys(parameters[part]))

    @functools.cache  # noqa: B019 (networks are few, small, and equal ones share an entry)
    def _abstract(self, part: str) -> tuple[nnx.GraphDef, PyTree]:
        return state_of(nnx.eval_shape(lambda: self.build(part, ShapeRngs())))


def list_key(index: int) -> str:
    """The key of a list's element in a parameter tree, of fixed width, so that sorting keeps the order of the list."""
    return f"{index:02}"


def list_index(key: str) -> str | int:
    """The inverse of ``list_key``; other keys are returned as they are."""
    return int(key) if key.isdecimal() else key


def path_name(path: jax.tree_util.KeyPath) -> str:
    """A leaf's dotted name, such as ``trunk.stages.00.01.conv1.kernel``."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def state_of(module: nnx.Module | None) -> tuple[nnx.GraphDef, PyTree]:
    """A module's structure, and its parameters as a nested dictionary with string keys."""
    graph, state = nnx.split(module)
    return graph, _with_string_keys(nnx.to_pure_dict(state))


def _with_string_keys(tree: PyTree) -> PyTree:
    if not isinstance(tree, dict):
        return tree
    return {list_key(key) if isinstance(key, int) else key: _with_string_keys(child) for key, child in tree.items()}


def _with_list_keys(tree: PyTree) -> PyTree:
    if not isinstance(tree, dict):
        return tree
    return {list_index(key): _with_list_keys(child) for key, child in tree.items()}


def _check_structure(part: str, expected: PyTree, found: PyTree) -> None:
    known, given = ([path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(t)] for t in (expected, found))
    for name, other in itertools.zip_longest(known, given, fillvalue="nothing"):
        if name != other:
            raise PfiqError(
                f"parameters: do not have the structure of the network, since {part} has {other} where {name} belongs; "
                "restore them into the tree of a loaded recogniser."
            )


class ShapeRngs(nnx.Rngs):
    """Random keys for building without values; all the same, since counting keys would take most of the time."""

    def __init__(self) -> None:
        super().__init__(0)
        self.params = OneKey(jax.random.key(0), tag="params")


class OneKey(nnx.RngStream):
    """The same key every time."""

    def __call__(self) -> jax.Array:
        return self.key[...]
