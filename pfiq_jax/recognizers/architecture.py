"""What turns a pair of Flax modules into the two functions that everything rests on."""

import abc
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PyTree

from pfiq_jax.recognizers.embedding_head import EmbeddingHead, Units, keep_all

Part = Literal["trunk", "head", "quality_head"]
PARTS = get_args(Part)


@dataclass(frozen=True)
class Architecture(abc.ABC):
    """A named network; subclasses are frozen dataclasses of its options, so equal ones compile once.

    Its parameters are a nested dictionary ``{"trunk": ..., "head": ...}`` of arrays, with ``"quality_head"`` where the
    network learned one.
    """

    @abc.abstractmethod
    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        """The module from preprocessed images to features."""

    @abc.abstractmethod
    def build_head(self, rngs: nnx.Rngs) -> EmbeddingHead:
        """The module from features to the embedding."""

    def build_quality_head(self, rngs: nnx.Rngs) -> nnx.Module | None:
        """The module from the embedding to a learned quality (batch, 1), for networks that have one."""
        return None

    def initialize(self, key: jax.Array) -> PyTree[Array]:
        """Random parameters."""
        modules = {part: self._build(part, nnx.Rngs(jax.random.fold_in(key, i))) for i, part in enumerate(PARTS)}
        return {part: nnx.to_pure_dict(nnx.split(module)[1]) for part, module in modules.items() if module is not None}

    def shapes(self) -> PyTree[jax.ShapeDtypeStruct]:
        """What ``initialize`` would give, without values."""
        abstract = {part: self._abstract(part)[1] for part in PARTS}
        return {part: shapes for part, shapes in abstract.items() if shapes}

    def trunk(self, parameters: PyTree[Array], images: Float[Array, "batch height width 3"]) -> Units:
        """Features of preprocessed images, computed in the dtype of the trunk's parameters."""
        dtype = jax.tree.leaves(parameters["trunk"])[0].dtype
        return self.module("trunk", parameters)(images.astype(dtype))

    def head(
        self, parameters: PyTree[Array], features: Units, dropout: Callable[[Units], Units] = keep_all
    ) -> Float[Array, "batch dim"]:
        """Embedding of features; ``dropout`` acts on the units where the network was trained with dropout."""
        return self.module("head", parameters)(features, dropout)

    def learned_quality(
        self, parameters: PyTree[Array], embedding: Float[Array, "batch dim"]
    ) -> Float[Array, " batch"] | None:
        """What the quality head tells from an embedding that is not normalised; None without such a head."""
        if "quality_head" not in parameters:
            return None
        return self.module("quality_head", parameters)(embedding)[:, 0]

    def squared_gains(self, parameters: PyTree[Array], units: Units) -> Float[Array, "rows columns channels"]:
        """Squared length of the step that the embedding takes when one unit grows by one."""
        return self.module("head", parameters).squared_gains()

    def without_output_norm(self, parameters: PyTree[Array]) -> PyTree[Array]:
        """Parameters whose last BatchNorm only multiplies all dimensions by one factor."""
        norm = parameters["head"]["output_norm"]
        identity = {name: jnp.full_like(norm[name], name in ("scale", "var")) for name in norm}
        return {**parameters, "head": {**parameters["head"], "output_norm": identity}}

    def module(self, part: Part, parameters: PyTree[Array]) -> Any:
        """The module of a part, with its parameters."""
        graph, _ = self._abstract(part)
        return nnx.merge(graph, parameters[part])

    def _build(self, part: Part, rngs: nnx.Rngs) -> nnx.Module | None:
        build = {"trunk": self.build_trunk, "head": self.build_head, "quality_head": self.build_quality_head}
        return build[part](rngs)

    @functools.cache  # noqa: B019 (architectures are few, small, and equal ones share an entry)
    def _abstract(self, part: Part) -> tuple[nnx.GraphDef, PyTree]:
        module = nnx.eval_shape(lambda: self._build(part, ShapeRngs()))
        graph, state = nnx.split(module)
        return graph, nnx.to_pure_dict(state)


class ShapeRngs(nnx.Rngs):
    """Keys for building without values: counting them would take most of the time of a deep network."""

    def __init__(self):
        self.params = OneKey(jax.random.key(0), tag="params")


class OneKey(nnx.RngStream):
    """The same key every time."""

    def __call__(self) -> jax.Array:
        return self.key[...]
