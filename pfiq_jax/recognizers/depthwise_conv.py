"""Depthwise 3x3 convolution, as a JAX primitive that is linear in the images and in the kernel.

On CPUs, XLA's grouped convolution is several times slower than nine shifted multiply-adds. JAX's own gradient of these
(nine padded adds) takes six times as long as the forward pass, so the transpose is written here in the form of the
forward pass. A ``custom_vjp`` would suffice for reverse mode; a primitive has rules for forward mode, reverse mode and
``vmap``.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float


def depthwise_conv(
    x: Float[Array, "batch height width channels"], kernel: Float[Array, "3 3 channels"], stride: int
) -> Float[Array, "batch new_height new_width channels"]:
    """Depthwise 3x3 convolution with one pixel of zero padding; height and width are multiples of the stride."""
    kernel = jnp.expand_dims(kernel, range(x.ndim - 3))
    return depthwise_conv_p.bind(x, kernel, stride=stride, transposed=False)


# Below, x is (*leading, height, width, channels) and the kernel is (*leading, 3, 3, channels). The leading axes are
# those of `vmap`, then the batch. An argument with an axis of length 1 is broadcast.
@functools.partial(jax.jit, static_argnames=("stride", "transposed"))
def _convolve(x: jax.Array, kernel: jax.Array, *, stride: int, transposed: bool) -> jax.Array:
    """The convolution, or its transpose by the images; at stride 1 the transpose is a convolution too."""
    if not transposed:
        return _sum_of_taps(x, kernel, stride)
    return _sum_of_taps(x, kernel[..., ::-1, ::-1, :], 1) if stride == 1 else _transposed_stride_2(x, kernel)


def _sum_of_taps(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    height, width = x.shape[-3:-1]
    padded = jnp.pad(x, (*[(0, 0)] * (x.ndim - 3), (1, 1), (1, 1), (0, 0)))

    def tap(row: int, column: int) -> jax.Array:
        rows = slice(row, row + height - stride + 1, stride)
        columns = slice(column, column + width - stride + 1, stride)
        return padded[..., rows, columns, :] * _tap_of(kernel, row, column)

    return functools.reduce(jnp.add, (tap(row, column) for row in range(3) for column in range(3)))


def _tap_of(kernel: jax.Array, row: int, column: int) -> jax.Array:
    return kernel[..., row : row + 1, column : column + 1, :]


def _transposed_stride_2(gradient: jax.Array, kernel: jax.Array) -> jax.Array:
    """Input pixel u meets tap k of output o if u = 2 o + k - 1: even pixels meet tap 1, odd pixels taps 0 and 2."""
    height, width = gradient.shape[-3:-1]
    padded = jnp.pad(gradient, (*[(0, 0)] * (gradient.ndim - 3), (0, 1), (0, 1), (0, 0)))

    def met(row: int, column: int) -> jax.Array:  # tap 0 belongs to the next output, taps 1 and 2 to this one
        below, right = int(row == 0), int(column == 0)
        neighbour = padded[..., below : below + height, right : right + width, :]
        return neighbour * _tap_of(kernel, row, column)

    def alternate(even: jax.Array, odd: jax.Array, axis: int) -> jax.Array:
        # One pair of axes at a time: JAX refuses a reshape that merges two pairs if the batch is sharded explicitly.
        shape = (*even.shape[:axis], 2 * even.shape[axis], *even.shape[axis + 1 :])
        return jnp.stack([even, odd], axis + 1).reshape(shape)

    rows, columns = gradient.ndim - 3, gradient.ndim - 2
    even_row = alternate(met(1, 1), met(1, 0) + met(1, 2), columns)
    odd_row = alternate(met(0, 1) + met(2, 1), met(0, 0) + met(0, 2) + met(2, 0) + met(2, 2), columns)
    return alternate(even_row, odd_row, rows)


def _type_of_result(x: Any, kernel: Any, **options: Any) -> Any:
    """The type of the result, with its sharding on an explicit mesh and its axes in a ``shard_map``."""
    return _convolve.trace(x, kernel, **options).jaxpr.out_avals[0]


def _transpose_by_images(gradient: jax.Array, x: Any, kernel: jax.Array, *, stride: int, transposed: bool) -> jax.Array:
    by_x = depthwise_conv_p.bind(gradient, kernel, stride=stride, transposed=not transposed)
    if jax.typeof(by_x) == x.aval:
        return by_x
    # The images are the same along an axis of `vmap` or on all devices of a `shard_map`, so JAX sums over these.
    one = jnp.where(True, 1, by_x)
    return jax.linear_transpose(lambda x: x * one, x.aval)(by_x)[0]


def _transpose_by_kernel(gradient: jax.Array, x: jax.Array, kernel: Any, **options: Any) -> jax.Array:
    """JAX's own transpose, which also sums over the right axes under ``shard_map``."""
    return jax.linear_transpose(lambda kernel: _convolve(x, kernel, **options), kernel.aval)(gradient)[0]


def _over_a_new_axis(arguments: Any, axes: Any, **options: Any) -> tuple[jax.Array, int]:
    x, kernel = (
        jnp.expand_dims(argument, 0) if axis is None else jnp.moveaxis(argument, axis, 0)
        for argument, axis in zip(arguments, axes, strict=True)
    )
    return depthwise_conv_p.bind(x, kernel, **options), 0


depthwise_conv_p = Primitive("depthwise_conv")
depthwise_conv_p.def_impl(_convolve)
depthwise_conv_p.def_abstract_eval(_type_of_result)
ad.defbilinear(depthwise_conv_p, _transpose_by_images, _transpose_by_kernel)
batching.primitive_batchers[depthwise_conv_p] = _over_a_new_axis
mlir.register_lowering(depthwise_conv_p, mlir.lower_fun(_convolve, multiple_results=False))
