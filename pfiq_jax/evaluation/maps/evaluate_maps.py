"""Evaluation of pixel maps: all measures of all map methods, on the same faces."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.bootstrap import RESAMPLES_OF_MEANS, mean_estimates
from pfiq_jax.evaluation.controls import RANDOM, random_maps
from pfiq_jax.evaluation.estimate import Estimate
from pfiq_jax.evaluation.maps.deletion_insertion import (
    AREA_FRACTIONS,
    FRACTIONS,
    Curve,
    deletion_curve,
    embed_and_score,
    insertion_curve,
)
from pfiq_jax.evaluation.maps.explained import MapFunction, explain_faces
from pfiq_jax.evaluation.maps.regions import Images, Maps
from pfiq_jax.evaluation.maps.sanity import noisy, randomized, rank_correlation
from pfiq_jax.evaluation.measure import Measure
from pfiq_jax.evaluation.scores.comparisons import FMR, compare_all_pairs, support_warning, threshold_at_fmr
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.recognizers.recognizer import Recognizer

PUBLISHED = "plq"
"""The method whose lead the leads of all others are divided by."""

PASSES = 2 * len(FRACTIONS) + 2 * len(AREA_FRACTIONS)  # of the network for each face and method

_FNMR = f"share of faces that do not match their clean selves, at FMR {FMR:g} among the clean faces"

MAP_MEASURES = (
    Measure(
        "insertion",
        "higher",
        0,
        "mean cosine to the clean face's embedding while 5, 15, ... 95% of the pixels, highest quality first, are "
        "inserted into the blurred face",
    ),
    Measure("deletion", "lower", 0, "the same while these pixels are replaced by the blurred face"),
    Measure("insertion_lead", "higher", 0, f"insertion, minus that of the {RANDOM} order"),
    Measure("deletion_lead", "higher", 0, f"deletion of the {RANDOM} order, minus that of the map"),
    Measure("insertion_lead_ratio", "higher", 0, f"insertion_lead, divided by that of {PUBLISHED}"),
    Measure("deletion_lead_ratio", "higher", 0, f"deletion_lead, divided by that of {PUBLISHED}"),
    Measure("deletion_black", "lower", 1, "deletion by black pixels"),
    Measure("deletion_mean", "lower", 1, "deletion by the image's mean colour"),
    Measure("insertion_reversed", "lower", 1, "insertion of the lowest quality first"),
    Measure("deletion_reversed", "higher", 1, "deletion of the lowest quality first"),
    Measure("insertion_score", "higher", 2, "insertion, with raw SER-FIQ in place of the cosine"),
    Measure("deletion_score", "lower", 2, "deletion, with raw SER-FIQ in place of the cosine"),
    Measure("insertion_fnmr", "lower", 2, f"insertion, with the {_FNMR}"),
    Measure("deletion_fnmr", "higher", 2, f"deletion, with the {_FNMR}"),
    Measure(
        "randomized_weights", "lower", 3, "rank correlation of a face's map with that of a network of shuffled weights"
    ),
    Measure(
        "other_face", "", 3, "rank correlation of the maps of two faces, about the least possible randomized_weights"
    ),
    Measure("noise", "higher", 3, "rank correlation of the maps of a face without and with invisible noise"),
)
"""Areas under curves are means over ``AREA_FRACTIONS``; a measure whose name states no fill uses the blurred one.

The reversed orders need no pass of the network: inserting a share f of the pixels in one order makes the same image as
deleting 1 - f in the other order.
"""


class MapsEvaluation(NamedTuple):
    """The result of ``evaluate_maps``.

    Attributes:
        estimates: by method, then by name of ``MAP_MEASURES``, in their order. The random order has no leads and no
            rank correlations. Ratios need ``PUBLISHED`` among the methods; they are NaN unless its lead is positive.
        insertion: curve of each method.
        deletion: curve of each method, blurred fill.
        maps: of each method.
        threshold: cosine at and above which two faces match.
        warning: a sentence if too few pairs support the threshold.
    """

    estimates: dict[str, dict[str, Estimate]]
    insertion: dict[str, Curve]
    deletion: dict[str, Curve]
    maps: dict[str, Maps]
    threshold: float
    warning: str | None


def evaluate_maps(
    recognizer: Recognizer,
    images: Images,
    methods: Mapping[str, MapFunction],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES_OF_MEANS,
    advance: Callable[[int], object] = lambda faces: None,
) -> MapsEvaluation:
    """All measures of map methods and of a random order, with 95% bootstrap intervals over the faces.

    Curves with the blurred fill have 21 points, the areas with other fills 10. All methods share the resamples of the
    bootstrap, since leads compare them.

    Args:
        recognizer: the network that the maps explain.
        images: RGB, 0..255, aligned; one of each person, two or more.
        methods: by name.
        seed: of the random order, the noise, the shuffled weights and the bootstrap.
        resamples: of the bootstrap.
        advance: called with the number of faces that have passed through the network since the last call. In total
            there are ``PASSES`` per face and method, including the random order.

    Raises:
        PfiqError: for fewer than two images, images that do not fit, and maps that hold NaN.

    References:
        Huber et al., EUSIPCO 2022; Petsiuk et al., BMVC 2018; Adebayo et al., NeurIPS 2018.
    """
    if len(images) < 2:
        raise PfiqError(f"{len(images)} faces are too few to evaluate maps on; give at least two.")
    embeddings, _ = in_batches(lambda batch: embed_and_score(recognizer, batch), images)
    comparisons = compare_all_pairs(embeddings, range(len(images)))
    threshold = threshold_at_fmr(comparisons)
    shuffled, noised = randomized(seed, recognizer), noisy(seed, images)
    maps = {name: explain_faces(method, recognizer, images).map for name, method in methods.items()}
    maps[RANDOM] = random_maps(seed, images.shape[:3])
    insertion = {name: insertion_curve(recognizer, images, each, advance=advance) for name, each in maps.items()}
    deletion = {name: deletion_curve(recognizer, images, each, advance=advance) for name, each in maps.items()}
    values: dict[tuple[str, str], np.ndarray] = {}
    for name, of_method in maps.items():
        of_face = _areas(insertion[name], deletion[name], threshold)
        for fill in ("black", "mean"):
            curve = deletion_curve(recognizer, images, of_method, fill=fill, fractions=AREA_FRACTIONS, advance=advance)
            of_face[f"deletion_{fill}"] = curve.area(curve.similarity)
        if name != RANDOM:
            on_shuffled = explain_faces(methods[name], shuffled, images).map
            on_noise = explain_faces(methods[name], recognizer, noised).map
            of_face |= _correlations(of_method, on_shuffled, on_noise)
        values |= {(name, measure): each for measure, each in of_face.items()}

    estimates = mean_estimates(values, _with_leads, seed=seed, resamples=resamples)
    return MapsEvaluation(
        {name: _in_order(name, estimates) for name in maps},
        insertion,
        deletion,
        maps,
        threshold,
        support_warning(comparisons.non_mated_count, FMR),
    )


def _in_order(method: str, estimates: Mapping[tuple[str, str], Estimate]) -> dict[str, Estimate]:
    """The measures of one method, in the order of ``MAP_MEASURES``."""
    names = [measure.name for measure in MAP_MEASURES]
    return {name: estimates[method, name] for name in names if (method, name) in estimates}


def _areas(insertion: Curve, deletion: Curve, threshold: float) -> dict[str, np.ndarray]:
    areas = {}
    for name, curve in (("insertion", insertion), ("deletion", deletion)):
        areas[name] = curve.area(curve.similarity)
        areas[f"{name}_score"] = curve.area(curve.score)
        areas[f"{name}_fnmr"] = curve.area(curve.similarity < threshold)
    return areas | {"insertion_reversed": areas["deletion"], "deletion_reversed": areas["insertion"]}


def _correlations(maps: np.ndarray, on_shuffled: np.ndarray, on_noise: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "randomized_weights": rank_correlation(maps, on_shuffled),
        "other_face": rank_correlation(maps, np.roll(maps, 1, 0)),
        "noise": rank_correlation(maps, on_noise),
    }


def _with_leads(means: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Adds to the means the leads over the random order, and their ratios to the published method's lead."""
    derived = dict(means)
    names = [name for name, measure in means if measure == "insertion" and name != RANDOM]
    for curve, sign in (("insertion", 1), ("deletion", -1)):
        leads = {name: sign * (means[name, curve] - means[RANDOM, curve]) for name in names}
        derived |= {(name, f"{curve}_lead"): lead for name, lead in leads.items()}
        if (published := leads.get(PUBLISHED)) is not None:
            derived |= {
                (name, f"{curve}_lead_ratio"): lead / published if published > 0 else np.nan
                for name, lead in leads.items()
            }
    return derived
