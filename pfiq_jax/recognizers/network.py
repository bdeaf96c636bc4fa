"""The three pure functions that a recognition network consists of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

Features = Float[Array, "batch rows columns channels"]
Units = Float[Array, "batch *places channels"]
Embedding = Float[Array, "batch dim"]


@runtime_checkable
class Network(Protocol):
    """A network as three pure functions. It is a static part of a pytree, so equal networks must have equal hashes."""

    def trunk(self, parameters: PyTree, images: Float[Array, "batch height width 3"]) -> Features:
        """Preprocessed images to features; the deep, deterministic part."""

    def units(self, parameters: PyTree, features: Features) -> Units:
        """Features to the units that dropout acts on."""

    def project(self, parameters: PyTree, units: Units) -> Embedding:
        """Units to the embedding, which is affine in the units and not normalised."""


def as_they_are(parameters: PyTree, features: Features) -> Units:
    """The units of a head in which dropout acts on the features themselves."""
    return features


@dataclass(frozen=True)
class Functions:
    """A custom network, given as its functions.

    Attributes:
        own_trunk: ``(parameters, images) -> features``.
        own_project: ``(parameters, units) -> embedding``, affine in the units.
        own_units: ``(parameters, features) -> units``.
    """

    own_trunk: Callable[[PyTree, Array], Array]
    own_project: Callable[[PyTree, Array], Array]
    own_units: Callable[[PyTree, Array], Array] = as_they_are

    def trunk(self, parameters: PyTree, images: Float[Array, "batch height width 3"]) -> Features:
        return self.own_trunk(parameters, images)

    def units(self, parameters: PyTree, features: Features) -> Units:
        return self.own_units(parameters, features.astype(jnp.float32))

    def project(self, parameters: PyTree, units: Units) -> Embedding:
        with jax.default_matmul_precision("highest"):  # as in the library's own heads
            return self.own_project(parameters, units).astype(jnp.float32)
