"""SER-FIQ: face image quality as the robustness of the embedding under dropout.

Source: Terhörst et al., "SER-FIQ: Unsupervised Estimation of Face Image Quality Based on Stochastic Embedding
Robustness", CVPR 2020, and the code of its authors. With d the Euclidean distance of two unit embeddings under two
dropout masks, the raw score is q = 2 sigmoid(-E[d]), in (0.23, 1]; on real networks it lives between 0.82 and 0.93.
The score that the published code returns is sigmoid(alpha (q - r)), in (0, 1). Of both, higher is better. The published
alpha and r belong to one network; ``face_quality`` takes those that were fitted to the recogniser, where there are any.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.images import as_batch
from pfiq_jax.recognizers.recognizer import Recognizer

PUBLISHED_DROPOUT_RATE = 0.5
ALPHA = 130.0
R = 0.88

SER_FIQ_VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "keras_2020": {"dropout_rate": 0.5, "output_norm": False, "scaled": False},
        "mxnet_2021": {"dropout_rate": 0.4},
        "plq": {"dropout_rate": 0.5, "output_norm": False},
        "pytorch": {
            "dropout_rate": 0.4,
            "num_masks": 10,
            "mean": "upper_triangle",
            "temperature": 5.0,
            "scaled": False,
        },
    }
)
"""Options that make ``ser_fiq`` one of the published programs, as ``ser_fiq(..., **SER_FIQ_VARIANTS["plq"])``.

``keras_2020`` is the authors' first release, ``mxnet_2021`` their present one, ``plq`` the one inside the code for
pixel-level quality, ``pytorch`` the port by Kolf (its demonstration's options). The first and the third meant to
repeat the last BatchNorm too, but never loaded its weights; after the L2 normalisation that is to leave it out.
"""

_PAIRED_MASKS = 200  # at most so many masks are compared all with all, which keeps memory flat
_ROWS = 64  # of masked features held at a time, masks times images


def ser_fiq(
    key: jax.Array,
    recognizer: Recognizer,
    images: ArrayLike,
    *,
    num_masks: int = 100,
    dropout_rate: float | None = None,
    granularity: Literal["unit", "channel"] = "unit",
    output_norm: bool = True,
    mean: Literal["pairs", "paper", "upper_triangle"] = "pairs",
    temperature: float = 1.0,
    scaled: bool = True,
    alpha: float = ALPHA,
    r: float = R,
    return_standard_error: bool = False,
) -> Float[Array, "*batch"] | tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Quality as published, from random dropout masks; higher is better.

    The trunk runs once; the head repeats once a mask. All images of a batch see the same masks, drawn from the key
    alone, so an image's score does not depend on its batch. Differentiable with finite gradients.

    Under ``jax.jit``, bind all options but ``alpha`` and ``r`` first: ``jax.jit(partial(ser_fiq, num_masks=50))``.

    Args:
        key: a JAX random key; the same key gives the same score.
        recognizer: best one trained with dropout, and the one that will be deployed.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).
        num_masks: the paper's m. Time grows with it, memory does not: up to 200 masks are compared all with all,
            more in independent groups of at most 200, which has the same expectation and all but the same variance.
        dropout_rate: None for 0.5, the published rate, to which the published alpha and r belong;
            ``recognizer.dropout_rate`` is the rate the network was trained with.
        granularity: "unit" drops single units; "channel" whole channels, as MagFace was trained.
        output_norm: False leaves out the head's last BatchNorm; see ``SER_FIQ_VARIANTS``.
        mean: of the distances: "pairs", over all m (m - 1) / 2 pairs (both codes of the authors); "paper", their sum
            times 2 / m^2 (the paper's equation); "upper_triangle", their sum over m^2 (the PyTorch port).
        temperature: factor of the mean distance (the PyTorch port's ``scaling``).
        scaled: False returns the raw score q in (0.23, 1].
        alpha: slope of the scaled score, per unit of q.
        r: raw score at which the scaled one is 0.5.
        return_standard_error: also return the standard error of each score that the choice of masks causes.

    Returns:
        One score an image, in (0, 1); with ``return_standard_error`` a pair of scores and standard errors.

    Raises:
        PfiqError: for a dropout rate outside (0, 1), fewer than two masks, an unknown ``granularity`` or ``mean``, or
            images that do not fit.

    References:
        Terhörst et al., CVPR 2020, equation 1 and algorithm 1.
    """
    check_choice("granularity", granularity, ("unit", "channel"))
    check_choice("mean", mean, ("pairs", "paper", "upper_triangle"))
    if num_masks < 2:
        raise PfiqError(f"num_masks is {num_masks}; distances need at least 2 masks.")
    keep_rate = 1 - _rate(dropout_rate)
    if not output_norm:
        recognizer = recognizer.without_output_norm()
    batch = as_batch(images, recognizer.preprocessing.size)
    units, project = recognizer.units_and_projection(recognizer.features(batch))
    mask_shape = units.shape[1:] if granularity == "unit" else (1,) * (units.ndim - 2) + units.shape[-1:]

    @jax.checkpoint  # the backward pass draws the masks again instead of keeping them all
    def embed(mask: Array) -> Float[Array, "batch dim"]:
        kept = jax.random.bernoulli(jax.random.fold_in(key, mask), keep_rate, mask_shape)
        return normalize(project(units * kept[None].astype(units.dtype) / keep_rate))

    groups = math.ceil(num_masks / _PAIRED_MASKS)
    masks = jnp.arange(groups * math.ceil(num_masks / groups)).reshape(groups, -1)

    @jax.checkpoint
    def mean_distances_in(group: Array) -> tuple[Array, Array, Array, Array]:
        """Sums over the group's masks: of each one's mean distance to the others, that squared, the mean squared
        distance, and 1."""
        real = (group < num_masks).astype(jnp.float32)  # the last group is filled up
        embeddings = jax.lax.map(embed, group, batch_size=max(1, _ROWS // max(1, len(batch))))
        distances = _pairwise_distances(jnp.moveaxis(embeddings, 1, 0))
        others = jnp.expand_dims(real / (jnp.sum(real) - 1), (0, 1))
        of_mask = jnp.sum(distances * others, -1)
        of_mask_squared = jnp.sum(jnp.square(distances) * others, -1)
        weights = real[None]
        first, second, third = (jnp.sum(x * weights, -1) for x in (of_mask, jnp.square(of_mask), of_mask_squared))
        return first, second, third, jnp.sum(real)

    *sums, counts = (jnp.sum(x, 0) for x in jax.lax.map(mean_distances_in, masks))
    mean_distance, mean_square_of_mask, mean_square = (x / counts for x in sums)
    shrink = {"pairs": 1, "paper": (num_masks - 1) / num_masks, "upper_triangle": (num_masks - 1) / (2 * num_masks)}

    def score(distance: Array) -> Array:
        return _score(distance * shrink[mean] * temperature, scaled=scaled, alpha=alpha, r=r)

    shape = jnp.shape(images)[:-3]
    if not return_standard_error:
        return score(mean_distance).reshape(shape)
    # Variance of a mean over pairs (Hoeffding): 4 v / n, with v the variance of the masks' own means, less what the
    # finite number of partners adds to v (Efron and Stein 1981), and at least what independent pairs would give.
    of_pairs = (mean_square - jnp.square(mean_distance)) / masks.shape[1]
    of_masks = mean_square_of_mask - jnp.square(mean_distance)
    variance = jnp.maximum(jnp.maximum(4 * of_masks - 2 * of_pairs, 2 * of_pairs), 0) / num_masks
    scores, slope = jax.jvp(score, (mean_distance,), (jnp.ones_like(mean_distance),))
    error = jnp.abs(slope) * jnp.sqrt(variance)
    return scores.reshape(shape), error.reshape(shape)


def ser_fiq_closed_form(
    recognizer: Recognizer,
    images: ArrayLike,
    *,
    dropout_rate: float | None = None,
    output_norm: bool = True,
    scaled: bool = True,
    alpha: float = ALPHA,
    r: float = R,
) -> Float[Array, "*batch"]:
    """Quality as SER-FIQ's limit of many masks, without a random number; higher is better.

    Costs one product with the head's matrix more than the embedding. Differentiable with finite gradients, in reverse
    mode only with the bundled network (as all of the library: see ``recognizers/layers.py``).

    After the dropout the head is affine, so the embedding is y + n with E[n] = 0 and, for units z and columns W_k of
    the head's matrix, covariance c sum_k z_k^2 W_k W_k^T with c = p / (1 - p). Along y the noise has the relative
    variance a = c sum_k z_k^2 (y . W_k)^2 / |y|^4, across it s = c sum_k z_k^2 |W_k|^2 / |y|^2 - a. On the sphere it
    moves the embedding by t = s (1 + 3 a), the second factor for E[1 / (1 + radial)^2]; two independent moves are
    sqrt(2 t / (1 + t)) apart in the root mean square, and the mean of a length that spreads over dim - 1 directions
    is smaller than its root mean square by the factor 1 - 1 / (4 (dim - 1)).

    Args:
        recognizer: best one trained with dropout, and the one that will be deployed.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).
        dropout_rate: None for 0.5, the published rate, to which the published alpha and r belong;
            ``recognizer.dropout_rate`` is the rate the network was trained with.
        output_norm: False leaves out the head's last BatchNorm; see ``SER_FIQ_VARIANTS``.
        scaled: False returns the raw score q in (0.23, 1].
        alpha: slope of the scaled score, per unit of q.
        r: raw score at which the scaled one is 0.5.

    Returns:
        One score an image, in (0, 1).

    Raises:
        PfiqError: for a dropout rate outside (0, 1), or images that do not fit.
    """
    rate = _rate(dropout_rate)
    if not output_norm:
        recognizer = recognizer.without_output_norm()
    batch = as_batch(images, recognizer.preprocessing.size)
    units, project = recognizer.units_and_projection(recognizer.features(batch))
    embedding, pull_back = jax.vjp(project, units)
    # Lengths are relative to the embedding's, so any unit will do; this one keeps their fourth powers in range.
    unit = jax.lax.stop_gradient(1 / jnp.maximum(jnp.max(jnp.abs(embedding), -1, keepdims=True), _TINY))
    embedding = embedding * unit
    squared_norm = jnp.maximum(jnp.sum(jnp.square(embedding), -1), _TINY)
    (radial,) = pull_back(embedding * unit)  # y . W_k

    def noise(gains: Array) -> Array:
        return rate / (1 - rate) * jnp.sum(jnp.square(units) * gains, tuple(range(1, units.ndim))) / squared_norm

    along = noise(jnp.square(radial) / squared_norm.reshape(-1, *(1,) * (units.ndim - 1)))
    total = noise(recognizer.network.squared_gains(recognizer.parameters, units)[None]) * jnp.square(unit[:, 0])
    move = jnp.maximum(total - along, 0) * (1 + 3 * along)
    shorter = 1 - 1 / (4 * (embedding.shape[-1] - 1))
    mean_distance = safe_sqrt(2 * move / (1 + move)) * shorter
    return _score(mean_distance, scaled=scaled, alpha=alpha, r=r).reshape(jnp.shape(images)[:-3])


def normalize(embedding: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
    """The embedding at unit length; a zero one stays zero, with a finite gradient."""
    return embedding * jax.lax.rsqrt(jnp.maximum(jnp.sum(jnp.square(embedding), -1, keepdims=True), _TINY))


def safe_sqrt(x: Array) -> Array:
    """Square root with the gradient 0 where x is 0 or less, instead of an infinite one."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)


_TINY = 1e-12


def _pairwise_distances(points: Float[Array, "batch n dim"]) -> Float[Array, "batch n n"]:
    points = points - jnp.mean(points, 1, keepdims=True)  # short vectors: their squares lose few digits
    squares = jnp.sum(jnp.square(points), -1)
    products = jnp.einsum("bid,bjd->bij", points, points, precision="highest")
    distinct = 1 - jnp.eye(points.shape[1], dtype=points.dtype)
    return safe_sqrt((squares[:, :, None] + squares[:, None, :] - 2 * products) * distinct[None])


def _score(mean_distance: Array, *, scaled: bool, alpha: float, r: float) -> Array:
    raw = 2 * jax.nn.sigmoid(-mean_distance)
    return jax.nn.sigmoid(alpha * (raw - r)) if scaled else raw


def _rate(dropout_rate: float | None) -> float:
    rate = PUBLISHED_DROPOUT_RATE if dropout_rate is None else dropout_rate
    if not 0 < rate < 1:
        raise PfiqError(f"dropout_rate is {rate}; give one between 0 and 1, or None for {PUBLISHED_DROPOUT_RATE}.")
    return rate
