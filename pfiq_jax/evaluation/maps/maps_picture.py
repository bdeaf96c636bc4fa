"""The picture of ``evaluate_maps``: curves, and faces under every kind of cover with their maps and deficits."""

from collections.abc import Mapping
from typing import Any

from pfiq_jax.evaluation.controls import DETAIL, MEAN_MAP, RANDOM
from pfiq_jax.evaluation.maps.deletion_insertion import Curve
from pfiq_jax.evaluation.maps.evaluate_maps import MapsEvaluation
from pfiq_jax.evaluation.maps.regions import Images
from pfiq_jax.plotting import DEFICIT_COLOURS, MAP_COLOURS, draw_map, draw_over, new_figure

CONTROL_STYLES = {RANDOM: ":", MEAN_MAP: "--", DETAIL: "-."}
TILE = 1.1  # inches per face
CURVES_HEIGHT = 4.5  # inches


def plot_maps(evaluation: MapsEvaluation, images: Images) -> Any:
    """The curves of all methods, and the first faces, clean and under every kind of cover, with maps and deficits.

    Args:
        evaluation: from ``evaluate_maps``.
        images: the faces, RGB, 0..255.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    states = {"clean": images} | {kind: covered.images for kind, covered in evaluation.covered.items()}
    explained = {"clean": evaluation.clean} | {kind: each.explained for kind, each in evaluation.covered.items()}
    methods = [name for name in evaluation.clean if name not in CONTROL_STYLES]
    sheets = [
        (f"{name}\n{part}", {state: getattr(of_state[name], part) for state, of_state in explained.items()}, colours)
        for name in methods
        for part, colours in (("map", MAP_COLOURS), ("deficit", DEFICIT_COLOURS))
        if getattr(evaluation.clean[name], part) is not None
    ]
    shown = len(next(iter(evaluation.covered.values())).images)
    height = TILE * shown * (1 + len(sheets)) + 0.5
    figure = new_figure(TILE * len(states) + 1, CURVES_HEIGHT + height)
    above, below = figure.subfigures(2, 1, height_ratios=(CURVES_HEIGHT, height))
    left, right = above.subplots(1, 2)
    _plot_curves(left, evaluation.curves["insertion"], "insertion into the blurred face")
    _plot_curves(right, evaluation.curves["deletion"], "deletion by the blurred face")
    above.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    axes = below.subplots(shown * (1 + len(sheets)), len(states), squeeze=False)
    for face in range(shown):
        rows = axes[face * (1 + len(sheets)) : (face + 1) * (1 + len(sheets))]
        for column, (state, of_state) in enumerate(states.items()):
            draw_over(rows[0, column], of_state[face])
            rows[0, column].set_title(state if face == 0 else "", fontsize="small")
            for row, (label, of_sheet, colours) in zip(rows[1:], sheets, strict=True):
                draw_map(row[column], of_sheet[state][face], colours=colours)
                row[0].set_ylabel(label.replace("_", "\n"), fontsize="x-small")
    return figure


def _plot_curves(axes: Any, curves: Mapping[str, Curve], title: str) -> None:
    for name, curve in curves.items():
        style = {"color": "grey", "linestyle": CONTROL_STYLES[name]} if name in CONTROL_STYLES else {}
        axes.plot(curve.fractions, curve.similarity.mean(1), label=name, **style)
    axes.set(xlim=(0, 1), ylim=(None, 1), xlabel="share of the pixels, highest quality first", title=title)
    axes.set_ylabel("cosine to the clean face")
