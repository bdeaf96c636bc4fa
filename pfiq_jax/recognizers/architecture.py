"""What turns a pair of Flax modules into the two functions that everything rests on."""

import abc
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PyTree

from pfiq_jax.recognizers.embedding_head import EmbeddingHead, Units, keep_all


@dataclass(frozen=True)
class Architecture(abc.ABC):
    """A named network; subclasses are frozen dataclasses of its options, so equal ones compile once.

    Its parameters are a nested dictionary ``{"trunk": ..., "head": ...}`` of arrays.
    """

    @abc.abstractmethod
    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        """The module from preprocessed images to features."""

    @abc.abstractmethod
    def build_head(self, rngs: nnx.Rngs) -> EmbeddingHead:
        """The module from features to the embedding."""

    def initialize(self, key: jax.Array) -> PyTree[Array]:
        """Random parameters."""
        trunk, head = jax.random.split(key)
        return {
            "trunk": nnx.to_pure_dict(nnx.split(self.build_trunk(nnx.Rngs(trunk)))[1]),
            "head": nnx.to_pure_dict(nnx.split(self.build_head(nnx.Rngs(head)))[1]),
        }

    def trunk(self, parameters: PyTree[Array], images: Float[Array, "batch height width 3"]) -> Units:
        """Features of preprocessed images, computed in the dtype of the trunk's parameters."""
        dtype = jax.tree.leaves(parameters["trunk"])[0].dtype
        return nnx.merge(self._graph("trunk"), parameters["trunk"])(images.astype(dtype))

    def head(
        self, parameters: PyTree[Array], features: Units, dropout: Callable[[Units], Units] = keep_all
    ) -> Float[Array, "batch dim"]:
        """Embedding of features; ``dropout`` acts on the units where the network was trained with dropout."""
        return self._head(parameters)(features, dropout)

    def squared_gains(self, parameters: PyTree[Array], units: Units) -> Float[Array, "7 7 channels"]:
        """Squared length of the step that the embedding takes when one unit grows by one."""
        return self._head(parameters).squared_gains()

    def without_output_norm(self, parameters: PyTree[Array]) -> PyTree[Array]:
        """Parameters whose last BatchNorm only multiplies all dimensions by one factor."""
        norm = parameters["head"]["output_norm"]
        identity = {name: jnp.full_like(norm[name], name in ("scale", "var")) for name in norm}
        return {**parameters, "head": {**parameters["head"], "output_norm": identity}}

    def _head(self, parameters: PyTree[Array]) -> EmbeddingHead:
        return nnx.merge(self._graph("head"), parameters["head"])

    @functools.cache  # noqa: B019 (architectures are few, small, and equal ones share an entry)
    def _graph(self, part: Literal["trunk", "head"]) -> nnx.GraphDef:
        build: Callable[[nnx.Rngs], nnx.Module] = self.build_trunk if part == "trunk" else self.build_head
        return nnx.split(nnx.eval_shape(lambda: build(nnx.Rngs(0))))[0]
