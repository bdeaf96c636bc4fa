"""The type-E head of ArcFace networks: BatchNorm, dropout, dense, BatchNorm."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

Units = Float[Array, "batch rows columns channels"]


def keep_all(units: Units) -> Units:
    """Dropout at inference: every unit is kept."""
    return units


class EmbeddingHead(nnx.Module):
    """Features (batch, 7, 7, channels) to a (batch, dim) embedding, not normalised.

    The dense kernel is (7, 7, channels, dim): the converters permute the flattened CHW order of torch, MXNet and
    ONNX once. All products run in float32 at highest precision whatever the trunk's dtype, since SER-FIQ reads
    differences of a few thousandths.
    """

    def __init__(self, channels: int, dim: int, *, epsilon: float, rngs: nnx.Rngs):
        initial = nnx.initializers.lecun_normal(in_axis=(0, 1, 2))
        norm = functools.partial(nnx.BatchNorm, use_running_average=True, epsilon=epsilon, dtype=jnp.float32, rngs=rngs)
        self.input_norm = norm(channels)
        self.kernel = nnx.Param(initial(rngs.params(), (7, 7, channels, dim)))
        self.bias = nnx.Param(jnp.zeros((dim,)))
        self.output_norm = norm(dim)

    def __call__(self, features: Units, dropout: Callable[[Units], Units] = keep_all) -> Float[Array, "batch dim"]:
        units = dropout(self.input_norm(features.astype(jnp.float32)))
        # tensordot is one matrix product; an einsum over three axes runs two to three times slower on CPUs.
        dense = jnp.tensordot(units, self.kernel[...].astype(jnp.float32), 3, precision=jax.lax.Precision.HIGHEST)
        return self.output_norm(dense + self.bias[...].astype(jnp.float32)[None])

    def squared_gains(self) -> Float[Array, "7 7 channels"]:
        """Squared length of the step that the embedding takes when one unit grows by one."""
        norm = self.output_norm
        assert norm.scale is not None  # for the type checker: it has a scale unless asked to leave it out
        scale = norm.scale[...].astype(jnp.float32) * jax.lax.rsqrt(norm.var[...].astype(jnp.float32) + norm.epsilon)
        kernel = self.kernel[...].astype(jnp.float32)
        return jnp.sum(jnp.square(kernel * jnp.expand_dims(scale, (0, 1, 2))), axis=-1)
