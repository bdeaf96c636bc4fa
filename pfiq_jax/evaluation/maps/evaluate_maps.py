"""Evaluation of pixel maps: all measures of all map methods and of controls, on the same faces."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.bootstrap import RESAMPLES_OF_MEANS, estimate_of, mean_estimates
from pfiq_jax.evaluation.controls import DETAIL, MEAN_MAP, RANDOM, SHUFFLED, detail_maps, mean_maps, random_maps
from pfiq_jax.evaluation.estimate import Estimate
from pfiq_jax.evaluation.maps.damage import DAMAGES, damage_estimates
from pfiq_jax.evaluation.maps.deletion_insertion import Curve
from pfiq_jax.evaluation.maps.explained import Explain, Explained, PerFace, explain_faces
from pfiq_jax.evaluation.maps.leads import (
    CURVES_PASSES,
    LEADS_PASSES,
    areas,
    draw_curves,
    leads_over_mean_map,
    with_shares,
)
from pfiq_jax.evaluation.maps.localisation import LOCALISATION_MAPS, Covered, localise
from pfiq_jax.evaluation.maps.map_measures import MAP_MEASURES
from pfiq_jax.evaluation.maps.pair_test import PAIR_TEST_MAPS, pair_tests
from pfiq_jax.evaluation.maps.regions import Images, Maps
from pfiq_jax.evaluation.maps.sanity import mean_map_r2, noisy, randomized, rank_correlation
from pfiq_jax.maps.methods import MapMethod
from pfiq_jax.recognizers.recognizer import Recognizer


class MapsEvaluation(NamedTuple):
    """The result of ``evaluate_maps``.

    Attributes:
        estimates: by method or control, then by name of ``MAP_MEASURES``, in their order. Controls lack measures that
            are meaningless for them. Shares require ``BEST_KNOWN`` among the methods; they are NaN unless its lead is
            positive.
        curves: "insertion" and "deletion" with blurred fill, then by method or control, except ``shuffled_weights``.
        clean: maps of all faces, by the same methods and controls.
        covered: the first faces under each kind of cover, with their maps by the same methods and controls.
    """

    estimates: dict[str, dict[str, Estimate]]
    curves: dict[str, dict[str, Curve]]
    clean: dict[str, Explained]
    covered: dict[str, Covered]


def passes_per_face(methods: Mapping[str, MapMethod], default: MapMethod) -> int:
    """The number of passes of the network that ``evaluate_maps`` takes per face."""
    maps = 2 + PAIR_TEST_MAPS + LOCALISATION_MAPS + len(DAMAGES)  # 2: the clean and the noisy face
    of_methods = sum(method.passes * maps + CURVES_PASSES + LEADS_PASSES for method in methods.values())
    of_controls = 3 * CURVES_PASSES + LEADS_PASSES + default.passes * (1 + PAIR_TEST_MAPS)
    return of_methods + of_controls + len(DAMAGES)


def evaluate_maps(
    recognizer: Recognizer,
    images: Images,
    methods: Mapping[str, MapMethod],
    default: MapMethod,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES_OF_MEANS,
    advance: Callable[[int], object] = lambda passes: None,
) -> MapsEvaluation:
    """All measures of map methods and of the controls, with 95% bootstrap intervals over the faces.

    All methods and controls get the same covers and share the resamples of the bootstrap, so that they can be compared.

    Args:
        recognizer: the network that the maps explain.
        images: uint8 RGB, aligned; one face of each person, two or more.
        methods: by name.
        default: the method of the controls "mean_map" and "shuffled_weights".
        seed: of all random choices and of the bootstrap.
        resamples: of the bootstrap of means.
        advance: called with the number of passes of the network since the last call. In total there are
            ``passes_per_face`` passes per face.

    Raises:
        PfiqError: for fewer than two images, images that do not fit, and maps that hold NaN.

    References:
        Huber et al., EUSIPCO 2022; Petsiuk et al., BMVC 2018; Adebayo et al., NeurIPS 2018.
    """
    if len(images) < 2:
        raise PfiqError(f"{len(images)} faces are too few to evaluate maps; give two or more.")
    by_default = _by_method(default, recognizer, advance)
    rows = {name: _by_method(method, recognizer, advance) for name, method in methods.items()}
    rows |= _controls(images, by_default, seed)
    shuffled = {SHUFFLED: _by_method(default, randomized(seed, recognizer), advance)}
    clean = {name: explain(images) for name, explain in rows.items()}
    maps = {name: each.map for name, each in clean.items()}
    looking = {name: explain for name, explain in rows.items() if name not in (RANDOM, MEAN_MAP)}  # depend on the face
    curves = draw_curves(recognizer, images, maps, advance=advance)
    localisation = localise(seed, images, rows)

    values = areas(curves)
    values |= leads_over_mean_map(recognizer, images, {name: maps[name] for name in looking}, values, advance=advance)
    values |= pair_tests(seed, images, rows | shuffled) | localisation.values
    values |= _sanity(maps, looking, images, seed)
    estimates = mean_estimates(values, with_shares, seed=seed, resamples=resamples)
    for name, area in localisation.pooled.items():
        estimates[name, "localisation_pooled"] = estimate_of(area, np.arange(len(images)), seed=seed)
    estimates |= damage_estimates(recognizer, images, looking, seed=seed, advance=advance)
    by_row = {name: _in_order(name, estimates) for name in rows | shuffled}
    return MapsEvaluation(by_row, curves, clean, localisation.covered)


def _by_method(method: MapMethod, recognizer: Recognizer, advance: Callable[[int], object]) -> Explain:
    """The maps of a method, as a function of faces."""

    def explain(images: Images) -> Explained:
        explained = explain_faces(method.compute, recognizer, images)
        advance(method.passes * len(images))
        return explained

    return explain


def _controls(images: Images, by_default: Explain, seed: int) -> dict[str, Explain]:
    """The controls except the shuffled weights; the first two are the same for covered and for clean faces."""
    drawn, mean = random_maps(seed, images.shape[:3]), mean_maps(by_default(images).map)
    no_score = np.full(len(images), np.nan)
    return {
        RANDOM: lambda _: Explained(no_score, drawn),
        MEAN_MAP: lambda _: Explained(no_score, mean),
        DETAIL: lambda faces: Explained(no_score, detail_maps(faces)),
    }


def _sanity(maps: Mapping[str, Maps], methods: Mapping[str, Explain], images: Images, seed: int) -> PerFace:
    """How much the maps of methods depend on their face, and how stable they are under noise."""
    noised = noisy(seed, images)
    values: PerFace = {}
    for name, explain in methods.items():
        values[name, f"{MEAN_MAP}_r2"] = mean_map_r2(maps[name])
        values[name, "noise"] = rank_correlation(maps[name], explain(noised).map)
    return values


def _in_order(row: str, estimates: Mapping[tuple[str, str], Estimate]) -> dict[str, Estimate]:
    """The measures of one row, in the order of ``MAP_MEASURES``."""
    names = [measure.name for measure in MAP_MEASURES]
    return {name: estimates[row, name] for name in names if (row, name) in estimates}
