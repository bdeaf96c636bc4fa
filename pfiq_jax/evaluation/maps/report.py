"""The reports of the evaluations of maps: Markdown tables and JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from pfiq_jax.evaluation.estimate import Estimate, json_of
from pfiq_jax.evaluation.maps.evaluate_maps import MapsEvaluation
from pfiq_jax.evaluation.maps.inpainting import INPAINTING_MEASURES, InpaintingEvaluation
from pfiq_jax.evaluation.maps.map_measures import MAP_MEASURES
from pfiq_jax.evaluation.maps.masks import MASK_MEASURES, MasksEvaluation
from pfiq_jax.evaluation.measure import INTERVALS, MARKS, Measure, legend, measure_tables


def maps_table(evaluation: MapsEvaluation) -> str:
    """All estimates of all methods in Markdown, with a legend."""
    faces = len(next(iter(evaluation.clean.values())).map)
    return _tables(f"{faces} faces, one of each person.", MAP_MEASURES, evaluation.estimates)


def masks_table(evaluation: MasksEvaluation, method: str, kind: str) -> str:
    """All estimates of a map method in Markdown, one row per size, with a legend."""
    faces = f"{len(evaluation.images)} good faces, one of each person"
    about = f"{faces}; squares of {kind} by side in pixels; map: {method}."
    return _tables(about, MASK_MEASURES, evaluation.estimates)


def inpainting_table(evaluation: InpaintingEvaluation, method: str) -> str:
    """All estimates of a map method in Markdown, one row per occlusion, with a legend."""
    about = f"{len(evaluation.kinds)} faces, one of each person; map: {method}."
    return _tables(about, INPAINTING_MEASURES, evaluation.estimates)


def json_of_rows(method: str, estimates: Mapping[str, Mapping[str, Estimate]]) -> dict[str, Any]:
    """Estimates by row and measure, as ``json_of`` of one method with the measures MEASURE_ROW."""
    flat = {f"{measure}_{row}": each for row, of_row in estimates.items() for measure, each in of_row.items()}
    return json_of(method, {method: flat})


def _tables(about: str, measures: Sequence[Measure], estimates: Mapping[str, Mapping[str, Estimate]]) -> str:
    tables = "\n\n".join(measure_tables(measures, estimates))
    return f"{about} {INTERVALS} {MARKS}\n\n{tables}\n\n{legend(measures)}\n"
