"""SER-FIQ: face image quality as the robustness of the embedding under dropout.

Source: Terhörst et al., "SER-FIQ: Unsupervised Estimation of Face Image Quality Based on Stochastic Embedding
Robustness", CVPR 2020, and the code of its authors. The raw score is q = 2 sigmoid(-E[d]), in (0.23, 1], where d is the
Euclidean distance of the embeddings under two dropout masks, both at length 1. On the bundled network, q of
real faces is between 0.82 and 0.93. The published code returns sigmoid(130 (q - 0.88)), which is
``PUBLISHED_SER_FIQ.scale(q)``.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pfiq_jax.bounds import at_least
from pfiq_jax.errors import check_choice, check_count, check_share
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.forward import Images, per_face, variants_at_once
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import normalize, safe_sqrt, squared_norm

PAIRED_MASKS = 200  # at most this many masks are all compared with each other, which keeps memory flat
ROWS = 64  # masked units held in memory at a time: masks times images


@dataclasses.dataclass(frozen=True)
class SerFiqVariant:
    """The options in which the published programs of SER-FIQ differ.

    Attributes:
        dropout_rate: share of the units that a mask drops.
        output_norm: False leaves out the head's last BatchNorm.
        granularity: "unit" drops single units, "channel" whole channels, as MagFace was trained.
        mean: of the distances. "pairs" is over all m (m - 1) / 2 pairs (both programs of the authors); "paper" is
            their sum times 2 / m^2 (the paper's equation); "upper_triangle" their sum over m^2 (the PyTorch port).
        temperature: factor of the mean distance (``scaling`` in the PyTorch port).
    """

    dropout_rate: float = 0.5
    output_norm: bool = True
    granularity: Literal["unit", "channel"] = "unit"
    mean: Literal["pairs", "paper", "upper_triangle"] = "pairs"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_choice("granularity", self.granularity, ("unit", "channel"))
        check_choice("mean", self.mean, ("pairs", "paper", "upper_triangle"))
        check_share("dropout_rate", self.dropout_rate)


SER_FIQ_VARIANTS: Mapping[str, SerFiqVariant] = MappingProxyType(
    {
        "keras_2020": SerFiqVariant(output_norm=False),
        "mxnet_2021": SerFiqVariant(dropout_rate=0.4),
        "plq": SerFiqVariant(output_norm=False),
        "pytorch": SerFiqVariant(dropout_rate=0.4, mean="upper_triangle", temperature=5.0),
    }
)
"""The published programs, for ``ser_fiq(..., variant=SER_FIQ_VARIANTS["plq"])``.

``keras_2020`` is the authors' first release, and ``mxnet_2021`` their current one. ``plq`` is the program inside the
code for pixel-level quality. ``pytorch`` is Kolf's port with the options of its demonstration, which uses 10 masks.
``keras_2020`` and ``plq`` meant to repeat the last BatchNorm too, but never loaded its weights. After the L2
normalisation this amounts to leaving it out. With every variant, ``ser_fiq`` returns the raw score. Of the published
programs, ``mxnet_2021`` and ``plq`` return the scaled score.
"""


class MaskSums(NamedTuple):
    """Sums over the masks of one group, for each image.

    Attributes:
        distance: sum of each mask's mean distance to the others.
        distance_squared: sum of the squares of these means.
        squared_distance: sum of each mask's mean squared distance to the others.
        masks: number of masks.
    """

    distance: Float[Array, " batch"]
    distance_squared: Float[Array, " batch"]
    squared_distance: Float[Array, " batch"]
    masks: Float[Array, ""]


@per_face
def ser_fiq(
    key: jax.Array,
    recognizer: Recognizer,
    images: Images,
    *,
    num_masks: int = 100,
    dropout_rate: float | None = None,
    variant: SerFiqVariant = SerFiqVariant(),
    return_standard_error: bool = False,
) -> Float[Array, "*batch"] | tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """The raw score q of SER-FIQ, from random dropout masks; higher is better.

    The trunk runs once; the projection is repeated per mask. All images of a batch get the same masks, which depend on
    the key alone. The score of an image does therefore not depend on its batch. Differentiable with finite gradients.

    Args:
        key: a JAX random key; the same key gives the same score.
        recognizer: preferably one that was trained with dropout, and the one that will be deployed.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        num_masks: the paper's m. Time grows with it, memory does not. Up to 200 masks are all compared with each other.
            More masks are split into independent groups of at most 200, with the same expectation and nearly the same
            variance.
        dropout_rate: by default the rate of the variant, which is 0.5 as published. The rate that the network was
            trained with is ``recognizer.dropout_rate``.
        variant: which of the published programs to follow; see ``SER_FIQ_VARIANTS``.
        return_standard_error: also return the standard error of each score due to the choice of masks.

    Returns:
        One raw score per image, in (0.23, 1]. Raw scores of different networks cannot be compared. ``face_quality`` and
        ``PUBLISHED_SER_FIQ.scale`` scale them to (0, 1). With ``return_standard_error``, a pair of scores and errors.

    Raises:
        PfiqError: for a dropout rate outside (0, 1), fewer than two masks, and images of another shape, dtype or range.

    References:
        Terhörst et al., CVPR 2020, equation 1 and algorithm 1.

    Example:
        >>> seen = recognizer.forward(face)
        >>> raw, error = pfiq_jax.ser_fiq(jax.random.key(0), recognizer, seen, return_standard_error=True)
        >>> round(float(raw), 3), round(float(error), 4)
        (0.896, 0.0007)
    """
    check_count("num_masks", num_masks, least=2)  # a distance needs two
    rate = variant.dropout_rate if dropout_rate is None else dropout_rate
    keep_rate = 1 - check_share("dropout_rate", rate)
    units = recognizer.forward(images).units
    recognizer = recognizer if variant.output_norm else without_output_norm(recognizer)
    mask_shape = units.shape[1:] if variant.granularity == "unit" else (1,) * (units.ndim - 2) + units.shape[-1:]

    @jax.checkpoint  # the backward pass draws the masks again instead of keeping them all
    def embed(mask: Int[Array, ""]) -> Float[Array, "batch dim"]:
        kept = jax.random.bernoulli(jax.random.fold_in(key, mask), jnp.float32(keep_rate), mask_shape)
        return normalize(recognizer.project(units * kept[None].astype(units.dtype) / keep_rate))

    sums, group_size = _sum_over_masks(embed, num_masks, rows=variants_at_once(ROWS, units.shape[0]))
    shrink = {"pairs": 1, "paper": (num_masks - 1) / num_masks, "upper_triangle": (num_masks - 1) / (2 * num_masks)}
    factor = shrink[variant.mean] * variant.temperature

    def score(distance: Float[Array, " batch"]) -> Float[Array, " batch"]:
        return raw_score(distance * factor)

    mean_distance = sums.distance / sums.masks
    if not return_standard_error:
        return score(mean_distance)
    scores, slope = jax.jvp(score, (mean_distance,), (jnp.ones_like(mean_distance),))
    return scores, jnp.abs(slope) * _standard_error(sums, num_masks, group_size)


def raw_score(mean_distance: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """q = 2 sigmoid(-d), in (0, 1]; higher is better."""
    return 2 * jax.nn.sigmoid(-mean_distance)


def without_output_norm(recognizer: Recognizer) -> Recognizer:
    """This recogniser without its head's last BatchNorm, up to a factor common to all dimensions.

    The first SER-FIQ program and the PLQ program have this head. The head of a custom network stays as it is.
    """
    if not isinstance(recognizer.network, Architecture):
        return recognizer
    head = recognizer.parameters["head"]
    identity = {name: jnp.full_like(leaf, name in ("scale", "var")) for name, leaf in head["output_norm"].items()}
    parameters = {**recognizer.parameters, "head": {**head, "output_norm": identity}}
    return dataclasses.replace(recognizer, parameters=parameters)


def _sum_over_masks(
    embed: Callable[[Int[Array, ""]], Float[Array, "batch dim"]], num_masks: int, *, rows: int
) -> tuple[MaskSums, int]:
    """Sums over all masks, and the size of the groups within which masks were compared."""
    groups = math.ceil(num_masks / PAIRED_MASKS)
    masks = jnp.arange(groups * math.ceil(num_masks / groups)).reshape(groups, -1)

    @jax.checkpoint
    def sum_in(group: Int[Array, " masks"]) -> MaskSums:
        real = (group < num_masks).astype(jnp.float32)  # the last group is filled up
        embeddings = jax.lax.map(embed, group, batch_size=rows if rows > 1 else None)
        distances = _pairwise_distances(jnp.moveaxis(embeddings, 1, 0))
        others = jnp.expand_dims(real / (jnp.sum(real) - 1), (0, 1))
        distance = jnp.sum(distances * others, -1)
        squared_distance = jnp.sum(jnp.square(distances) * others, -1)
        weights = real[None]
        return MaskSums(
            jnp.sum(distance * weights, -1),
            jnp.sum(jnp.square(distance) * weights, -1),
            jnp.sum(squared_distance * weights, -1),
            jnp.sum(real),
        )

    return jax.tree.map(lambda leaf: jnp.sum(leaf, 0), jax.lax.map(sum_in, masks)), masks.shape[1]


def _standard_error(sums: MaskSums, num_masks: int, group_size: int) -> Float[Array, " batch"]:
    """Standard error of the mean distance.

    The variance of a mean over pairs of n masks is 4 v / n, where v is the variance of the means of single masks
    (Hoeffding 1948). The share of v that is due to the finite number of partners is subtracted (Efron and Stein 1981).
    The result is at least the variance that independent pairs would have.
    """
    mean, mean_of_squares = sums.distance / sums.masks, sums.squared_distance / sums.masks
    of_pairs = (mean_of_squares - jnp.square(mean)) / group_size
    of_masks = sums.distance_squared / sums.masks - jnp.square(mean)
    return safe_sqrt((2 * of_pairs + at_least(4 * (of_masks - of_pairs), 0.0)) / num_masks)


def _pairwise_distances(points: Float[Array, "batch n dim"]) -> Float[Array, "batch n n"]:
    points = points - jnp.mean(points, 1, keepdims=True)  # short vectors: their squares lose few digits
    squares = squared_norm(points)
    products = jnp.einsum("bid,bjd->bij", points, points, precision="highest")
    distinct = 1 - jnp.eye(points.shape[1], dtype=points.dtype)
    return safe_sqrt((squares[:, :, None] + squares[:, None, :] - 2 * products) * distinct[None])
