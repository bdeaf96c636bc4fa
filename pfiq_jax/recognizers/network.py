"""The two functions that a recogniser is, and the ways to give them beside an ``Architecture``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from pfiq_jax.recognizers.embedding_head import keep_all


@runtime_checkable
class Network(Protocol):
    """A trunk and a head; equal networks hash alike, since they are the static part of a pytree."""

    def trunk(self, parameters: PyTree, images: Array) -> Array:
        """Preprocessed images (batch, height, width, 3) to features (batch, rows, columns, channels)."""

    def head(self, parameters: PyTree, features: Array, dropout: Callable[[Array], Array] = keep_all) -> Array:
        """Features to embeddings (batch, dim): affine once ``dropout`` has acted."""

    def squared_gains(self, parameters: PyTree, units: Array) -> Array:
        """Squared length of the step that the embedding takes when one unit grows by one, shaped like one unit."""

    def learned_quality(self, parameters: PyTree, embedding: Array) -> Array | None:
        """What a head trained for it tells of quality, (batch,), from embeddings (batch, dim); None without one."""

    def without_output_norm(self, parameters: PyTree) -> PyTree:
        """Parameters whose head ends with its dense layer, up to a factor common to all dimensions."""


@dataclass(frozen=True)
class Functions:
    """A network of one's own, given as its two functions.

    Attributes:
        trunk: ``(parameters, images) -> features``.
        head_without_dropout: ``(parameters, features) -> embedding``, affine in the features. Dropout acts on the
            features as they enter the head, so a BatchNorm before the dropout is the trunk's last layer.
    """

    trunk: Callable[[PyTree, Array], Array]
    head_without_dropout: Callable[[PyTree, Array], Array]

    def head(self, parameters: PyTree, features: Array, dropout: Callable[[Array], Array] = keep_all) -> Array:
        with jax.default_matmul_precision("highest"):  # as in the library's own heads
            embedding = self.head_without_dropout(parameters, dropout(features.astype(jnp.float32)))
        return embedding.astype(jnp.float32)

    def squared_gains(self, parameters: PyTree, units: Array) -> Array:
        jacobian = jax.jacrev(lambda unit: self.head(parameters, unit[None])[0])(jnp.zeros(units.shape[1:]))
        return jnp.sum(jnp.square(jacobian), axis=0)

    def learned_quality(self, parameters: PyTree, embedding: Array) -> Array | None:
        return None

    def without_output_norm(self, parameters: PyTree) -> PyTree:
        """The same parameters: a head of one's own is taken as it is."""
        return parameters


@dataclass(frozen=True)
class KnownFeatures:
    """A network whose trunk returns features that lie among its parameters."""

    network: Network

    def trunk(self, parameters: PyTree, images: Array) -> Array:
        return parameters["features"]

    def head(self, parameters: PyTree, features: Array, dropout: Callable[[Array], Array] = keep_all) -> Array:
        return self.network.head(parameters["parameters"], features, dropout)

    def squared_gains(self, parameters: PyTree, units: Array) -> Array:
        return self.network.squared_gains(parameters["parameters"], units)

    def learned_quality(self, parameters: PyTree, embedding: Array) -> Array | None:
        return self.network.learned_quality(parameters["parameters"], embedding)

    def without_output_norm(self, parameters: PyTree) -> PyTree:
        return {**parameters, "parameters": self.network.without_output_norm(parameters["parameters"])}
