"""PreFIQs: quality as the robustness of the embedding when the smallest weights of the network are set to 0.

Source: Kolf et al., "PreFIQs: Face Image Quality Is What Survives Pruning", CVPR workshops 2026.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from pfiq_jax.errors import PfiqError, check_share
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import norm, normalize

AMOUNT = 0.4


@per_face
def prefiqs(recognizer: Recognizer, images: Images, *, amount: float = AMOUNT) -> Float[Array, "*batch"]:
    """Quality as ``1 - |e - e'| / 2``; higher is better.

    e and e' are the embeddings of the whole and of the pruned network, at length 1. It takes two forward passes, the
    second through the pruned network, and is deterministic. Differentiable with finite gradients; the choice of pruned
    weights counts as constant.

    Args:
        recognizer: preferably the one that will be deployed.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        amount: share of the weights that is pruned, in (0, 1); see ``pruned``.

    Returns:
        One score per image, in [0, 1]. It is 1 if pruning changes nothing, and 0 if pruning reverses the embedding.

    Raises:
        PfiqError: for an amount outside (0, 1), for a recogniser without kernels, and for images of another shape,
            dtype or range.

    References:
        Kolf et al., CVPRW 2026.
    """
    seen = recognizer.forward(images)
    survived = pruned(recognizer, amount=amount).embed(seen.images)
    return 1 - norm(normalize(seen.embedding) - normalize(survived)) / 2


def pruned(recognizer: Recognizer, *, amount: float = AMOUNT) -> Recognizer:
    """This recogniser with the smallest weights of all its kernels set to 0, by magnitude.

    Kernels, those of convolutions and dense layers, are the parameters with two axes or more. Biases, slopes and
    BatchNorms stay. Equal weights are pruned together.

    Args:
        recognizer: any, also of a custom network.
        amount: share of the weights, in (0, 1).

    Raises:
        PfiqError: for an amount outside (0, 1), and for a recogniser without kernels.
    """
    check_share("amount", amount)
    kernels = [leaf for leaf in jax.tree.leaves(recognizer.parameters) if jnp.ndim(leaf) >= 2]
    if not kernels:
        raise PfiqError(
            "pruned: the recogniser has no kernels to prune; give one that has parameters with two axes or more."
        )
    sizes = jnp.concatenate([jnp.ravel(_size(kernel)) for kernel in kernels])
    # If weights are constants, XLA would fold the whole search into a constant, which takes a minute; the barrier
    # prevents it.
    threshold = _smallest(jax.lax.optimization_barrier(sizes), round(amount * sizes.size))

    def prune(leaf: ArrayLike) -> ArrayLike:
        return jnp.where(_size(leaf) <= threshold, jnp.zeros_like(leaf), leaf) if jnp.ndim(leaf) >= 2 else leaf

    return dataclasses.replace(recognizer, parameters=jax.tree.map(prune, recognizer.parameters))


def _size(leaf: ArrayLike) -> Int[Array, "*shape"]:
    """Magnitudes as integers of the same order: the bits of floats that are not negative."""
    magnitude = jnp.abs(jnp.asarray(jax.lax.stop_gradient(leaf), jnp.float32))
    return jax.lax.bitcast_convert_type(magnitude, jnp.int32)


def _smallest(numbers: Int[Array, " n"], count: int) -> Int[Array, ""]:
    """The ``count``-th smallest of numbers that are not negative: first its upper 16 bits, then its lower 16 bits.

    For ten million numbers, two histograms take a thirtieth of the time that sorting takes on CPUs.
    """
    upper, lower = numbers >> 16, numbers & 0xFFFF
    of_upper = jnp.bincount(upper, length=1 << 15)
    top = _first_to_reach(count, of_upper)
    below = jnp.sum(of_upper, where=jnp.arange(1 << 15, dtype=jnp.int32) < top, dtype=jnp.int32)
    of_lower = jnp.bincount(lower, (upper == top).astype(jnp.int32), length=1 << 16)
    return top << 16 | _first_to_reach(count - below, of_lower)


def _first_to_reach(count: Int[ArrayLike, ""], histogram: Int[Array, " bins"]) -> Int[Array, ""]:
    """The first bin up to which there are ``count`` numbers or more; in int32, also where JAX prefers int64."""
    return jnp.sum(jnp.cumsum(histogram, dtype=jnp.int32) < count, dtype=jnp.int32)
