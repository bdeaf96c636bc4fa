"""Named architectures: Flax modules as the three functions of a network."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PyTree

from pfiq_jax.recognizers.embedding_head import EmbeddingHead
from pfiq_jax.recognizers.layer_outputs import Layer, run_with_probes
from pfiq_jax.recognizers.modules import Modules, list_index, list_key
from pfiq_jax.recognizers.network import Embedding, Features, Units

Part = Literal["trunk", "head", "quality_head"]


@dataclass(frozen=True)
class Architecture(Modules):
    """A named recognition network. Subclasses are frozen dataclasses of its options, so equal networks compile once.

    Its parameters are a nested dictionary ``{"trunk": ..., "head": ...}`` of arrays, with ``"quality_head"`` if the
    network has one. All keys are strings. The keys of lists have two digits ("00", "01").
    """

    parts = get_args(Part)

    @abc.abstractmethod
    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        """The module from preprocessed images to features."""

    @abc.abstractmethod
    def build_head(self, rngs: nnx.Rngs) -> EmbeddingHead:
        """The module from features to the embedding."""

    def build_quality_head(self, rngs: nnx.Rngs) -> nnx.Module | None:
        """The module from the embedding to the quality (batch, 1); None for networks without a quality head."""
        return None

    @property
    @abc.abstractmethod
    def blocks(self) -> tuple[str, ...]:
        """Names of the last layers at each of the trunk's last four resolutions; GraFIQs' blocks 1 to 4."""

    def trunk(self, parameters: PyTree[Array], images: Float[Array, "batch height width 3"]) -> Features:
        """Features of preprocessed images, computed in the dtype of the trunk's parameters."""
        return self.module("trunk", parameters)(images.astype(self._trunk_dtype(parameters)))

    def units(self, parameters: PyTree[Array], features: Features) -> Units:
        """The units: what dropout acts on, if the network was trained with dropout."""
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
        """Input and output of all layers of the network, by their names, such as ``trunk.stages.00.01.conv1``.

        Args:
            parameters: as for ``trunk``.
            images: preprocessed.
            offsets: arrays to add to the outputs of layers, by the names of the layers. The gradient by an offset of
                zeros is the gradient by the output of the layer.
        """
        x: Any = images
        found: dict[str, Layer] = {}
        for part in (part for part in self.parts if part in parameters):
            x, layers = self.part_layers(part, parameters, x, offsets=offsets)
            found |= layers
        return found

    def part_layers(
        self,
        part: str,
        parameters: PyTree[Array],
        x: Array,
        *,
        offsets: Mapping[str, Array] = MappingProxyType({}),
    ) -> tuple[Array, dict[str, Layer]]:
        """The output of one part of the network, and the layers inside it; arguments as for ``layers``."""
        of_part = {
            tuple(list_index(key) for key in name.split(".")[1:]): offset
            for name, offset in offsets.items()
            if name.startswith(f"{part}.")
        }
        x = x.astype(self._trunk_dtype(parameters)) if part == "trunk" else x
        output, layers = run_with_probes(self.module(part, parameters), x, of_part)
        return output, {layer_name(part, path): layer for path, layer in layers.items()}

    def _trunk_dtype(self, parameters: PyTree[Array]) -> jnp.dtype:
        return jax.tree.leaves(parameters["trunk"])[0].dtype

    def build(self, part: str, rngs: nnx.Rngs) -> nnx.Module | None:
        build = {"trunk": self.build_trunk, "head": self.build_head, "quality_head": self.build_quality_head}
        return build[part](rngs)


def layer_name(part: str, path: Sequence[str | int]) -> str:
    """A layer's dotted name, in the form of ``path_name``."""
    return ".".join((part, *(list_key(key) if isinstance(key, int) else key for key in path)))
