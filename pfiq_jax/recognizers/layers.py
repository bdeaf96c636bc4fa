"""Layers that Flax lacks, or that XLA runs too slowly."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.batch_norm import BatchNorm
from pfiq_jax.recognizers.depthwise_conv import depthwise_conv


class PReLU(nnx.Module):
    """Parametric ReLU with one slope per channel (He et al. 2015, eq. 1)."""

    def __init__(self, channels: int, *, rngs: nnx.Rngs):
        self.slope = nnx.Param(jnp.full((channels,), 0.25))

    def __call__(self, x: Float[Array, "*batch channels"]) -> Float[Array, "*batch channels"]:
        slope = jnp.expand_dims(self.slope[...], range(x.ndim - 1))
        return jnp.where(x >= 0, x, slope * x)


class DepthwiseConv(nnx.Module):
    """Depthwise 3x3 convolution, stride 1 or 2, one pixel of zero padding, by default without bias."""

    def __init__(self, channels: int, *, stride: int = 1, use_bias: bool = False, rngs: nnx.Rngs):
        if stride not in (1, 2):
            raise PfiqError(f"stride is {stride}; choose one of 1, 2.")
        self.stride = stride
        initial = nnx.initializers.lecun_normal(in_axis=(0, 1), out_axis=2)
        self.kernel = nnx.Param(initial(rngs.params(), (3, 3, channels)))
        self.bias = nnx.Param(jnp.zeros(channels)) if use_bias else None

    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch new_height new_width channels"]:
        y = depthwise_conv(x, self.kernel[...], self.stride)
        return y if self.bias is None else y + jnp.expand_dims(self.bias[...], (0, 1, 2))


class ConvLayer(nnx.Module):
    """A convolution of any kind, BatchNorm, and an optional PReLU."""

    def __init__(self, conv: nnx.Module, width: int, *, epsilon: float, rngs: nnx.Rngs, activation: bool = True):
        self.conv = conv
        self.norm = BatchNorm(width, epsilon, rngs)
        self.prelu = PReLU(width, rngs=rngs) if activation else None

    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch rows columns new"]:
        x = self.norm(self.conv(x))
        return x if self.prelu is None else self.prelu(x)


def conv3x3(channels: int, width: int, *, stride: int = 1, rngs: nnx.Rngs) -> nnx.Conv:
    """3x3 convolution without bias, padded explicitly, since "SAME" at stride 2 would pad one side only."""
    return nnx.Conv(channels, width, (3, 3), strides=stride, padding=((1, 1), (1, 1)), use_bias=False, rngs=rngs)


def pointwise(channels: int, width: int, rngs: nnx.Rngs) -> nnx.Linear:
    """A 1x1 convolution as a matrix product, which XLA runs faster."""
    return nnx.Linear(channels, width, use_bias=False, rngs=rngs)
