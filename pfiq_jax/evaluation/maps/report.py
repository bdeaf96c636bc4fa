"""What the experiments with maps found, as pictures, Markdown tables and JSON."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from pfiq_jax.evaluation.figure import Figure, cell
from pfiq_jax.evaluation.maps.deletion_insertion import Curve
from pfiq_jax.evaluation.maps.evaluate_maps import FIGURES, FMR, RANDOM, MapsEvaluation
from pfiq_jax.plotting import new_figure

FaceImages = Shaped[np.ndarray, "faces height width 3"]
Maps = Float[np.ndarray, "faces height width"]


def plot_maps(evaluation: MapsEvaluation, images: FaceImages) -> Any:
    """The curves of all methods, and some faces with the map of each.

    Args:
        evaluation: from ``evaluate_maps``.
        images: the faces, RGB, 0..255, of which the first are drawn.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: where matplotlib is missing.
    """
    shown = min(8, len(images))
    rows = 1 + len(evaluation.explained)
    figure = new_figure(10, 4.5 + 1.25 * rows)
    above, below = figure.subfigures(2, 1, height_ratios=(4.5, 1.25 * rows))
    left, right = above.subplots(1, 2)
    _plot_curves(left, evaluation.insertion, "insertion into the blurred face")
    _plot_curves(right, evaluation.deletion, "deletion by the blurred face")
    left.legend(fontsize="small")
    draw_faces(
        below, images[:shown], [""] * shown, {name: maps[:shown] for name, maps in evaluation.explained.items()}, shown
    )
    return figure


def plot_faces(
    images: FaceImages, titles: Sequence[str], maps: Mapping[str, Maps], columns: int, *, heading: str = ""
) -> Any:
    """A contact sheet: faces, and beneath each its maps.

    Args:
        images: RGB, 0..255.
        titles: what stands above each.
        maps: by method, each drawn from red, 0, to green, 1.
        columns: faces in a row.
        heading: what stands above all.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: where matplotlib is missing.
    """
    rows = math.ceil(len(images) / columns)
    figure = new_figure(1.25 * columns + 0.5, (1.25 * (1 + len(maps)) + 0.25) * rows + 0.5)
    draw_faces(figure, images, titles, maps, columns)
    figure.suptitle(heading, parse_math=False)
    return figure


def draw_faces(figure: Any, images: FaceImages, titles: Sequence[str], maps: Mapping[str, Maps], columns: int) -> None:
    """Draws ``plot_faces``' sheet into a figure or a part of one."""
    kinds = 1 + len(maps)
    axes = figure.subplots(kinds * math.ceil(len(images) / columns), columns, squeeze=False)
    for each in axes.flat:
        each.set(xticks=[], yticks=[])
        each.set_frame_on(False)
    for index, (image, title) in enumerate(zip(images, titles, strict=True)):
        top, column = kinds * (index // columns), index % columns
        axes[top, column].imshow(np.clip(image, 0, 255).astype(np.uint8))
        axes[top, column].set_title(title, fontsize="small", parse_math=False)
        for row, (name, of_faces) in enumerate(maps.items(), start=top + 1):
            axes[row, column].imshow(of_faces[index], cmap="RdYlGn", vmin=0, vmax=1)
            if column == 0:
                axes[row, 0].set_ylabel(name.replace("_", "\n"), fontsize="small")


def maps_table(evaluation: MapsEvaluation) -> str:
    """All figures of all methods in Markdown, and what they mean."""
    faces = len(next(iter(evaluation.explained.values())))
    lines = [
        f"{faces} faces, one of each person. In brackets: 95% intervals of a bootstrap over people; + marks figures of "
        "which higher is better, - those of which lower is.",
    ]
    for names in _TABLES:
        columns = {name: f"{name} {FIGURES[name]}".rstrip() for name in names}
        lines += ["", table(evaluation.figures, columns)]
    lines += [
        "",
        "- insertion, deletion: mean cosine to the clean face while 5, 15, ... 95% of the pixels, the highest quality "
        "first, are put into the blurred face, or replaced by it",
        "- lead: by how much that is better than with the random order; ratio: over the lead of plq",
        "- black, mean: deleted pixels become black, or the mean colour; reversed: the lowest quality first",
        "- score: raw SER-FIQ in place of the cosine",
        f"- fnmr: share of faces that do not match their clean selves at a cosine of {evaluation.threshold:.3f} "
        f"(FMR {FMR:g} among the clean faces)",
        "- randomized_weights, other_face, noise: rank correlation of a map and that of the same face by a network "
        "with shuffled weights, that of another face, that of the same face with noise",
    ]
    if evaluation.warning:
        lines += ["", f"Warning: {evaluation.warning}"]
    return "\n".join(lines) + "\n"


_TABLES = (
    ("insertion", "deletion", "insertion_lead", "deletion_lead", "insertion_lead_ratio", "deletion_lead_ratio"),
    ("deletion_black", "deletion_mean", "insertion_reversed", "deletion_reversed"),
    ("insertion_score", "deletion_score", "insertion_fnmr", "deletion_fnmr"),
    ("randomized_weights", "other_face", "noise"),
)


def table(rows: Mapping[str, Mapping[str, Figure]], columns: Mapping[str, str]) -> str:
    """A Markdown table of figures.

    Args:
        rows: figures by name, of each row; rows without any of the columns are left out.
        columns: names of the figures to show, and the title of each.
    """
    lines = [f"| | {' | '.join(columns.values())} |", f"|---|{'---:|' * len(columns)}"]
    for row, figures in rows.items():
        cells = [cell(figures[name]) if name in figures else "" for name in columns]
        if any(cells):
            lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _plot_curves(axes: Any, curves: Mapping[str, Curve], title: str) -> None:
    for name, curve in curves.items():
        style = {"color": "grey", "linestyle": ":"} if name == RANDOM else {}
        axes.plot(curve.fractions, curve.similarity.mean(1), label=name, **style)
    axes.set(xlim=(0, 1), ylim=(None, 1), xlabel="share of the pixels, highest quality first", title=title)
    axes.set_ylabel("cosine to the clean face")
