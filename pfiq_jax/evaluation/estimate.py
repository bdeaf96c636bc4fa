"""Values with confidence intervals, as all evaluations report them, in the cells of tables and in JSON."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

Values = float | np.ndarray


class Estimate(NamedTuple):
    """A value with its 95% confidence interval over people, or arrays of these; undefined values are NaN.

    Attributes:
        value: from all images, each counted once.
        low: the 2.5th percentile over the resamples of a bootstrap in which the value is defined.
        high: the 97.5th percentile over the same resamples.
    """

    value: Values
    low: Values
    high: Values


def cell(estimate: Estimate) -> str:
    """An estimate as text: the value, and its interval in brackets."""
    if math.isnan(estimate.value):
        return "undefined"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def json_of(default: str, estimates: Mapping[str, Mapping[str, Estimate]]) -> dict[str, Any]:
    """``{"default": NAME, "methods": {NAME: {MEASURE: {"value", "low", "high"}}}}``, with None for NaN.

    Args:
        default: the name of the library's default method.
        estimates: by method, then by measure.
    """
    return {
        "default": default,
        "methods": {
            method: {
                measure: {key: None if math.isnan(number) else number for key, number in estimate._asdict().items()}
                for measure, estimate in of_method.items()
            }
            for method, of_method in estimates.items()
        },
    }
