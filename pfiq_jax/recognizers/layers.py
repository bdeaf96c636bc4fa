"""Layers that Flax lacks, or that XLA runs too slowly."""

import functools
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.precision import BatchNorm


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
    """A convolution of any kind, BatchNorm, PReLU?"""

    def __init__(self, conv: nnx.Module, width: int, *, epsilon: float, rngs: nnx.Rngs, activation: bool = True):
        self.conv = conv
        self.norm = norm(width, epsilon, rngs)
        self.prelu = PReLU(width, rngs=rngs) if activation else None

    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch rows columns new"]:
        x = self.norm(self.conv(x))
        return x if self.prelu is None else self.prelu(x)


def conv3x3(channels: int, width: int, *, stride: int = 1, rngs: nnx.Rngs) -> nnx.Conv:
    """3x3 convolution without bias, padded explicitly: at stride 2 "SAME" would pad the far side only."""
    return nnx.Conv(channels, width, (3, 3), strides=stride, padding=((1, 1), (1, 1)), use_bias=False, rngs=rngs)


def norm(width: int, epsilon: float, rngs: nnx.Rngs) -> BatchNorm:
    """BatchNorm by its running statistics."""
    return BatchNorm(width, epsilon, rngs)


def pointwise(channels: int, width: int, rngs: nnx.Rngs) -> nnx.Linear:
    """A 1x1 convolution, as a matrix product, which XLA runs faster."""
    return nnx.Linear(channels, width, use_bias=False, rngs=rngs)


# On CPUs, XLA's grouped convolution is several times slower than nine shifted multiply-adds. JAX's own gradient of
# these (nine padded adds) costs six times the forward pass, so the backward pass has the same form as the forward pass.
# The price is that only reverse mode works (of any order), since jax.jvp does not support custom_vjp.
@partial(jax.custom_vjp, nondiff_argnums=(2,))
def depthwise_conv(
    x: Float[Array, "batch height width channels"], kernel: Float[Array, "3 3 channels"], stride: int
) -> Float[Array, "batch new_height new_width channels"]:
    """Depthwise 3x3 convolution with one pixel of zero padding; height and width divide by the stride."""
    return _sum_of_taps(x, kernel, stride)


def _sum_of_taps(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    height, width = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))

    def tap(row: int, column: int) -> jax.Array:
        rows = slice(row, row + height - stride + 1, stride)
        columns = slice(column, column + width - stride + 1, stride)
        return padded[:, rows, columns] * jnp.expand_dims(kernel[row, column], (0, 1, 2))

    return functools.reduce(jnp.add, (tap(row, column) for row in range(3) for column in range(3)))


def _depthwise_forward(x: jax.Array, kernel: jax.Array, stride: int) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return depthwise_conv(x, kernel, stride), (x, kernel)


def _depthwise_backward(
    stride: int, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    if stride == 1:
        x_gradient = depthwise_conv(gradient, kernel[::-1, ::-1], 1)
    else:
        x_gradient = _transposed_stride_2(gradient, kernel)
    # JAX's own gradient, which also sums over the right axes under shard_map.
    (kernel_gradient,) = jax.vjp(lambda kernel: _sum_of_taps(x, kernel, stride), kernel)[1](gradient)
    return x_gradient, kernel_gradient


def _transposed_stride_2(gradient: jax.Array, kernel: jax.Array) -> jax.Array:
    """Input pixel u met tap k of output o where u = 2 o + k - 1: even pixels meet tap 1, odd ones taps 0 and 2."""
    height, width = gradient.shape[1:3]
    padded = jnp.pad(gradient, ((0, 0), (0, 1), (0, 1), (0, 0)))

    def met(row: int, column: int) -> jax.Array:  # tap 0 was met by the next output, taps 1 and 2 by this one
        below, right = int(row == 0), int(column == 0)
        neighbour = padded[:, below : below + height, right : right + width]
        return neighbour * jnp.expand_dims(kernel[row, column], (0, 1, 2))

    def alternate(even: jax.Array, odd: jax.Array, axis: int) -> jax.Array:
        # One pair of axes at a time: a reshape that merges two pairs is refused where the batch is sharded explicitly.
        shape = (*even.shape[:axis], 2 * even.shape[axis], *even.shape[axis + 1 :])
        return jnp.stack([even, odd], axis + 1).reshape(shape)

    even_row = alternate(met(1, 1), met(1, 0) + met(1, 2), 2)
    odd_row = alternate(met(0, 1) + met(2, 1), met(0, 0) + met(0, 2) + met(2, 0) + met(2, 2), 2)
    return alternate(even_row, odd_row, 1)


depthwise_conv.defvjp(_depthwise_forward, _depthwise_backward)
