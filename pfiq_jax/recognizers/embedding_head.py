"""The heads of recognition networks: optional pooling, optional BatchNorm, dropout, dense layer, BatchNorm."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from pfiq_jax.recognizers.batch_norm import BatchNorm
from pfiq_jax.recognizers.network import Embedding, Features, Units

Pooling = Literal["none", "mean", "depthwise"]


class EmbeddingHead(nnx.Module):
    """Features (batch, rows, columns, channels) to a (batch, dim) embedding, not normalised.

    Without pooling it is ArcFace's head of type E on a grid of 7x7 units. Its dense kernel is (7, 7, channels, dim);
    converters permute it from the flattened CHW order of PyTorch, MXNet and ONNX. With pooling, dropout acts on the one
    unit per channel that is left, and the kernel is (1, 1, channels, dim).

    All products run in float32 at the highest precision, whatever the dtype of the trunk, since SER-FIQ depends on
    differences of a few thousandths.
    """

    def __init__(
        self,
        channels: int,
        dim: int,
        *,
        epsilon: float,
        rngs: nnx.Rngs,
        pooling: Pooling = "none",
        input_norm: bool = True,
        input_epsilon: float | None = None,
        use_bias: bool = True,
    ):
        initial = nnx.initializers.lecun_normal(in_axis=(0, 1, 2))
        self.pool = _build_pool(pooling, channels, rngs)
        grid = (7, 7) if self.pool is None else (1, 1)
        self.input_norm = _norm(channels, input_epsilon or epsilon, rngs) if input_norm else None
        self.kernel = nnx.Param(initial(rngs.params(), (*grid, channels, dim)))
        self.bias = nnx.Param(jnp.zeros((dim,))) if use_bias else None
        self.output_norm = _norm(dim, epsilon, rngs)

    def units(self, features: Features) -> Units:
        """The units, on which dropout acts, in float32."""
        units = features.astype(jnp.float32)
        if self.pool is not None:
            units = self.pool(units)
        return units if self.input_norm is None else self.input_norm(units)

    def project(self, units: Units) -> Embedding:
        """The embedding: dense, BatchNorm."""
        # tensordot is one matrix product; an einsum over three axes runs two to three times slower on CPUs.
        kernel = self.kernel[...].astype(jnp.float32)
        dense = jnp.tensordot(units, kernel, 3, precision=jax.lax.Precision.HIGHEST)
        if self.bias is not None:
            dense += self.bias[...].astype(jnp.float32)[None]
        return self.output_norm(dense)

    def __call__(self, features: Features) -> Embedding:
        return self.project(self.units(features))

    def squared_gains(self) -> Float[Array, "rows columns channels"]:
        """Squared length of the change of the embedding per unit if the unit grows by 1, in closed form."""
        norm = self.output_norm
        assert norm.scale is not None  # for the type checker: it has a scale unless use_scale is False
        scale = norm.scale[...].astype(jnp.float32) * jax.lax.rsqrt(norm.var[...].astype(jnp.float32) + norm.epsilon)
        kernel = self.kernel[...].astype(jnp.float32)
        return jnp.sum(jnp.square(kernel * jnp.expand_dims(scale, (0, 1, 2))), axis=-1)


class MeanPooling(nnx.Module):
    """The mean over the grid."""

    def __call__(self, features: Features) -> Float[Array, "batch 1 1 channels"]:
        return jnp.mean(features, (1, 2), keepdims=True)


class DepthwisePooling(nnx.Module):
    """One weight per place and channel of a 7x7 grid (MobileFaceNet's global depthwise convolution)."""

    def __init__(self, channels: int, rngs: nnx.Rngs):
        initial = nnx.initializers.lecun_normal(in_axis=(0, 1), out_axis=2)
        self.kernel = nnx.Param(initial(rngs.params(), (7, 7, channels)))

    def __call__(self, features: Features) -> Float[Array, "batch 1 1 channels"]:
        kernel = self.kernel[...].astype(jnp.float32)
        return jnp.sum(features * kernel[None], (1, 2), keepdims=True)


def _build_pool(pooling: Pooling, channels: int, rngs: nnx.Rngs) -> nnx.Module | None:
    if pooling == "depthwise":
        return DepthwisePooling(channels, rngs)
    return MeanPooling() if pooling == "mean" else None


def _norm(width: int, epsilon: float, rngs: nnx.Rngs) -> BatchNorm:
    return BatchNorm(width, epsilon, rngs, dtype=jnp.float32)
