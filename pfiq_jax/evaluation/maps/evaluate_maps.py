"""Is the map right: every figure of every map method, on the same faces."""

from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Shaped

from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.bootstrap import bootstrap
from pfiq_jax.evaluation.figure import Figure
from pfiq_jax.evaluation.maps.deletion_insertion import (
    AREA_FRACTIONS,
    FRACTIONS,
    Curve,
    deletion_curve,
    embed_and_score,
    insertion_curve,
    random_maps,
)
from pfiq_jax.evaluation.maps.explained import explain_faces
from pfiq_jax.evaluation.maps.sanity import noisy, randomized, rank_correlation
from pfiq_jax.evaluation.scores.comparisons import compare_all_pairs, support_warning, threshold_at_fmr
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.maps.methods import MapMethod
from pfiq_jax.recognizers.recognizer import Recognizer

RANDOM = "random"
"""The name of the control: maps that know nothing of the face."""

PUBLISHED = "plq"
"""The method that leads are compared with."""

FMR = 1e-3
RESAMPLES = 1000
PASSES = 2 * len(FRACTIONS) + 2 * len(AREA_FRACTIONS)  # of the network for each face and method

FIGURES: Mapping[str, str] = {
    "insertion": "+",
    "deletion": "-",
    "insertion_lead": "+",
    "deletion_lead": "+",
    "insertion_lead_ratio": "+",
    "deletion_lead_ratio": "+",
    "deletion_black": "-",
    "deletion_mean": "-",
    "insertion_score": "+",
    "deletion_score": "-",
    "insertion_fnmr": "-",
    "deletion_fnmr": "+",
    "insertion_reversed": "-",
    "deletion_reversed": "+",
    "randomized_weights": "-",
    "other_face": "",
    "noise": "+",
}
"""Which way each figure is better, up or down; "" for what others are to be seen beside."""


Key = TypeVar("Key", bound=Hashable)


class MapsEvaluation(NamedTuple):
    """What ``evaluate_maps`` found.

    Attributes:
        figures: by method and name, those of ``FIGURES`` that the method has. Areas under curves are means over
            ``AREA_FRACTIONS``; cosines to the clean embedding where the name says nothing else, and the blurred fill.

            - ``insertion``, ``deletion``: the headline.
            - ``insertion_lead``, ``deletion_lead``: by how much they are better than the random order's.
            - ``insertion_lead_ratio``, ``deletion_lead_ratio``: that over the lead of ``PUBLISHED``; NaN where the
              latter has none.
            - ``deletion_black``, ``deletion_mean``: other fills.
            - ``insertion_score``, ``deletion_score``: raw SER-FIQ in place of the cosine.
            - ``insertion_fnmr``, ``deletion_fnmr``: the share of faces that no longer match their clean selves, at the
              threshold with which ``FMR`` of the clean faces' pairs match.
            - ``insertion_reversed``, ``deletion_reversed``: the lowest quality first. They need no pass of the network:
              to insert f of the pixels in one order is to delete 1 - f in the other.
            - ``randomized_weights``: rank correlation of a map and that of the network with a shuffled trunk;
              ``other_face``: of maps of two different faces, about the least to expect of it.
            - ``noise``: rank correlation of the maps of a face without and with noise that nobody sees.
        insertion: curve of each method.
        deletion: curve of each method, blurred fill.
        explained: of each method, the maps.
        threshold: cosine from which two faces match.
        warning: a sentence where too few pairs support the threshold.
    """

    figures: dict[str, dict[str, Figure]]
    insertion: dict[str, Curve]
    deletion: dict[str, Curve]
    explained: dict[str, Float[np.ndarray, "faces height width"]]
    threshold: float
    warning: str | None


def evaluate_maps(
    recognizer: Recognizer,
    images: Shaped[np.ndarray, "faces height width 3"],
    methods: Mapping[str, MapMethod],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    advance: Callable[[int], object] = lambda faces: None,
) -> MapsEvaluation:
    """All figures of map methods and of the random order, with 95% bootstrap intervals over the faces.

    Curves with the blurred fill have 21 points, the areas with other fills 10. The resamples are shared by all
    methods, since leads compare them.

    Args:
        recognizer: the network that the maps explain.
        images: RGB, 0..255, aligned; one of each person, two or more.
        methods: by name.
        seed: of the random order, the noise, the shuffled weights and the bootstrap.
        resamples: of the bootstrap.
        advance: told the number of faces that have been through the network since it was last called; of each face
            and method, the random one too, there will be ``PASSES``.

    Raises:
        PfiqError: for fewer than two images, images that do not fit, and maps that hold NaN.

    References:
        Huber et al., EUSIPCO 2022; Petsiuk et al., BMVC 2018; Adebayo et al., NeurIPS 2018.
    """
    if len(images) < 2:
        raise PfiqError(f"{len(images)} faces are too few to evaluate maps on; give at least two.")
    embeddings, _ = in_batches(lambda batch: embed_and_score(recognizer, batch), images)
    comparisons = compare_all_pairs(embeddings, range(len(images)), fmr=FMR)
    threshold = threshold_at_fmr(comparisons, FMR)
    shuffled, noised = randomized(seed, recognizer), noisy(seed, images)

    explained = {name: explain_faces(method, recognizer, images).map for name, method in methods.items()}
    explained[RANDOM] = random_maps(seed, images.shape[:3])
    insertion, deletion = {}, {}
    values: dict[tuple[str, str], np.ndarray] = {}
    for name, maps in explained.items():
        insertion[name] = insertion_curve(recognizer, images, maps, advance=advance)
        deletion[name] = deletion_curve(recognizer, images, maps, advance=advance)
        of_face = _areas(insertion[name], deletion[name], threshold)
        for fill in ("black", "mean"):
            curve = deletion_curve(recognizer, images, maps, fill=fill, fractions=AREA_FRACTIONS, advance=advance)
            of_face[f"deletion_{fill}"] = curve.area(curve.similarity)
        if name != RANDOM:
            of_face["randomized_weights"] = rank_correlation(maps, explain_faces(methods[name], shuffled, images).map)
            of_face["other_face"] = rank_correlation(maps, np.roll(maps, 1, 0))
            of_face["noise"] = rank_correlation(maps, explain_faces(methods[name], recognizer, noised).map)
        values |= {(name, figure): each for figure, each in of_face.items()}

    figures: dict[str, dict[str, Figure]] = {name: {} for name in explained}
    for (name, figure), each in mean_figures(values, _with_leads, seed=seed, resamples=resamples).items():
        figures[name][figure] = each
    ordered = {
        name: {figure: of_name[figure] for figure in FIGURES if figure in of_name} for name, of_name in figures.items()
    }
    warning = support_warning(comparisons.non_mated_count, FMR)
    return MapsEvaluation(ordered, insertion, deletion, explained, threshold, warning)


def mean_figures(
    values: Mapping[Key, Shaped[np.ndarray, " faces"]],
    derive: Callable[[dict[Key, float]], dict[Key, float]] = lambda means: means,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[Key, Figure]:
    """Means over faces, and what is derived from them, with 95% bootstrap intervals over the faces.

    Args:
        values: one number a face; NaN makes the figure NaN.
        derive: from the means of one resample to all figures of it, always the same ones.
        seed: of the bootstrap, whose resamples all figures share.
        resamples: of the bootstrap.
    """
    matrix = np.stack([np.asarray(each, np.float64) for each in values.values()])

    def means(counts: np.ndarray) -> dict[Key, float]:
        return derive(dict(zip(values, map(float, matrix @ counts / counts.sum()), strict=True)))

    everyone = np.arange(matrix.shape[1])
    intervals = bootstrap(
        lambda counts: np.array(list(means(counts).values())), everyone, seed=seed, resamples=resamples
    )
    return {
        key: Figure(*map(float, numbers))
        for key, *numbers in zip(means(np.ones(len(everyone))), *intervals, strict=True)
    }


def _areas(insertion: Curve, deletion: Curve, threshold: float) -> dict[str, np.ndarray]:
    areas = {}
    for name, curve in (("insertion", insertion), ("deletion", deletion)):
        areas[name] = curve.area(curve.similarity)
        areas[f"{name}_score"] = curve.area(curve.score)
        areas[f"{name}_fnmr"] = curve.area(curve.similarity < threshold)
    return areas | {"insertion_reversed": areas["deletion"], "deletion_reversed": areas["insertion"]}


def _with_leads(means: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """The means and, from them, leads over the random order and their ratios to the published method's."""
    figures = dict(means)
    names = [name for name, figure in means if figure == "insertion" and name != RANDOM]
    for curve, sign in (("insertion", 1), ("deletion", -1)):
        leads = {name: sign * (means[name, curve] - means[RANDOM, curve]) for name in names}
        figures |= {(name, f"{curve}_lead"): lead for name, lead in leads.items()}
        if (published := leads.get(PUBLISHED)) is not None:
            figures |= {
                (name, f"{curve}_lead_ratio"): lead / published if published > 0 else np.nan
                for name, lead in leads.items()
            }
    return figures
