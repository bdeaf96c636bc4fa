"""Areas under deletion and insertion curves, and their leads over orders that do not depend on the face.

Faces are in the middle of the images, so the mean map of other faces is already far ahead of a random order. Only the
lead over the mean map shows how much a map depends on this face.
"""

from collections.abc import Callable, Mapping

import numpy as np

from pfiq_jax.evaluation.controls import RANDOM, mean_maps
from pfiq_jax.evaluation.maps.deletion_insertion import (
    AREA_FRACTIONS,
    FRACTIONS,
    Curve,
    deletion_curve,
    insertion_curve,
)
from pfiq_jax.evaluation.maps.explained import PerFace
from pfiq_jax.evaluation.maps.map_measures import BEST_KNOWN
from pfiq_jax.evaluation.maps.regions import Images, Maps
from pfiq_jax.recognizers.recognizer import Recognizer

CURVES_PASSES = 2 * len(FRACTIONS)
"""Passes of the network per face for an insertion and a deletion curve."""

LEADS_PASSES = 2 * len(AREA_FRACTIONS)
"""Passes of the network per face for ``leads_over_mean_map``."""

SIGNS = {"insertion": 1, "deletion": -1}
"""1 if a higher area is better, -1 if a lower area is better."""


def draw_curves(
    recognizer: Recognizer, images: Images, maps: Mapping[str, Maps], *, advance: Callable[[int], object]
) -> dict[str, dict[str, Curve]]:
    """The curves of maps: "insertion" and "deletion", then by method.

    Args:
        recognizer: the network that the maps explain.
        images: RGB, 0..255, aligned.
        maps: by method.
        advance: called with the number of faces that have passed through the network since the last call.
    """
    return {
        measure: {name: curve_of(recognizer, images, each, advance=advance) for name, each in maps.items()}
        for measure, curve_of in (("insertion", insertion_curve), ("deletion", deletion_curve))
    }


def areas(curves: Mapping[str, Mapping[str, Curve]]) -> PerFace:
    """Areas, and leads over the random order.

    Args:
        curves: from ``draw_curves``, with the random order among the methods.

    Returns:
        For each method ``insertion`` and ``deletion``, and for each except the random order ``insertion_lead`` and
        ``deletion_lead``, for which higher is better.
    """
    values: PerFace = {}
    for measure, of_methods in curves.items():
        for name, curve in of_methods.items():
            values[name, measure] = curve.area
            if name != RANDOM:
                values[name, f"{measure}_lead"] = SIGNS[measure] * (curve.area - of_methods[RANDOM].area)
    return values


def leads_over_mean_map(
    recognizer: Recognizer,
    images: Images,
    maps: Mapping[str, Maps],
    values: PerFace,
    *,
    advance: Callable[[int], object],
) -> PerFace:
    """How much better each map is than the mean map of all other faces by the same method; higher is better.

    Args:
        recognizer: the network that the maps explain.
        images: RGB, 0..255, aligned; two or more.
        maps: by method.
        values: the areas of the methods.
        advance: called with the number of faces that have passed through the network since the last call.

    Returns:
        For each method ``insertion_lead_over_mean_map`` and ``deletion_lead_over_mean_map``.
    """
    leads: PerFace = {}
    for name, of_method in maps.items():
        others = mean_maps(of_method)
        for measure, curve_of in (("insertion", insertion_curve), ("deletion", deletion_curve)):
            curve = curve_of(recognizer, images, others, fractions=AREA_FRACTIONS, advance=advance)
            leads[name, f"{measure}_lead_over_mean_map"] = SIGNS[measure] * (values[name, measure] - curve.area)
    return leads


def with_shares(means: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Adds the leads over the mean map as shares of the lead of ``BEST_KNOWN``, if this method is among the means.

    A share is NaN unless the lead of ``BEST_KNOWN`` is positive.
    """
    shares: dict[tuple[str, str], float] = {}
    for measure in SIGNS:
        lead = f"{measure}_lead_over_mean_map"
        if (best := means.get((BEST_KNOWN, lead))) is not None:
            shares |= {
                (name, f"{measure}_share"): value / best if best > 0 else np.nan
                for (name, other), value in means.items()
                if other == lead
            }
    return means | shares
