"""A figure with its interval, as every evaluation reports it: in a table's cell and in JSON."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """A figure and its 95% confidence interval over identities; NaN where it is not defined."""

    value: float
    low: float
    high: float


def cell(figure: Figure) -> str:
    """A figure in a table."""
    if math.isnan(figure.value):
        return "undefined"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def json_of(default: str, figures: Mapping[str, Mapping[str, Figure]]) -> dict[str, Any]:
    """``{"default": name, "methods": {name: {figure: {"value", "low", "high"}}}}``; None where one is not defined."""
    return {
        "default": default,
        "methods": {
            method: {
                name: {key: None if math.isnan(number) else number for key, number in figure._asdict().items()}
                for name, figure in of_method.items()
            }
            for method, of_method in figures.items()
        },
    }
