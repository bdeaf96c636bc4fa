"""Inputs and outputs of the layers of a Flax module.

Each child of a freshly merged module, which is not shared, is replaced by a probe. The probe calls the child and
records its input and output. Networks contain no code for this, and runs without probes do not change.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

Path = tuple[str | int, ...]


class Layer(NamedTuple):
    """One layer of a network that ran.

    Attributes:
        module: the Flax module.
        input: its first argument.
        output: its result.
    """

    module: nnx.Module
    input: jax.Array
    output: jax.Array


class NormInput(NamedTuple):
    """The input of a BatchNorm over maps, and its running statistics.

    Attributes:
        maps: its input.
        mean: running mean of each channel.
        var: running variance of each channel.
    """

    maps: Float[Array, "batch rows columns channels"]
    mean: Float[Array, " channels"]
    var: Float[Array, " channels"]


class Probe(nnx.Module):
    """A module that replaces another one, calls it, and records its input and output."""

    def __init__(self, inner: nnx.Module, offset: jax.Array | None):
        self.inner = inner
        self.offset = offset if offset is None else nnx.data(offset)
        self.input: Any = None
        self.output: Any = None

    def __call__(self, x: jax.Array) -> jax.Array:
        output = self.inner(x)
        if self.offset is not None:
            output = output + self.offset
        self.input, self.output = nnx.data(x), nnx.data(output)
        return output


def run_with_probes(
    module: nnx.Module, x: jax.Array, offsets: Mapping[Path, jax.Array] = MappingProxyType({})
) -> tuple[jax.Array, dict[Path, Layer]]:
    """Calls a module, and returns its result with all layers inside it, by their paths.

    Args:
        module: a freshly merged module, which must not be used again.
        x: its argument.
        offsets: arrays to add to the outputs of layers, by the paths of the layers. The gradient by an offset of zeros
            is the gradient by the output of the layer.
    """
    modules: dict[Path, Any] = dict(nnx.iter_modules(module))  # type: ignore[arg-type]
    inner = {path: child for path, child in modules.items() if path and not isinstance(child, nnx.List)}
    probes = {path: Probe(child, offsets.get(path)) for path, child in inner.items()}
    for path, probe in probes.items():
        parent, name = modules[path[:-1]], path[-1]
        if isinstance(parent, nnx.List):
            parent[name] = probe  # type: ignore[index]
        else:
            setattr(parent, str(name), probe)
    output = module(x)
    layers = {path: Layer(probe.inner, probe.input, probe.output) for path, probe in probes.items()}
    return output, layers or {(): Layer(module, x, output)}


def no_offset(images: Float[Array, "batch height width channels"], layer: jax.ShapeDtypeStruct) -> jax.Array:
    """Zeros like the output of a layer, to differentiate by, distributed over devices like the images.

    On an explicit mesh, a gradient by an array has the sharding of this array. Inside ``jax.shard_map``, a gradient by
    the same zeros on all devices would be summed over the devices.
    """
    one_each = images[:, :1, :1, :1].astype(layer.dtype)
    # Not ``zeros_like``, which JAX 0.12 distributes only on a current mesh.
    return jnp.broadcast_to(jnp.where(False, one_each, 0), layer.shape)


def norm_inputs(layers: Mapping[str, Layer]) -> list[NormInput]:
    """The inputs of all BatchNorms over maps. The head's last BatchNorm is over embeddings and left out."""
    norms = [layer for layer in layers.values() if isinstance(layer.module, nnx.BatchNorm) and layer.input.ndim == 4]
    return [NormInput(layer.input, layer.module.mean[...], layer.module.var[...]) for layer in norms]  # type: ignore[attr-defined]
