"""The reports of the evaluations of maps: Markdown tables and JSON, and pictures of masks and of inpainting."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pfiq_jax.evaluation.estimate import Estimate, json_of
from pfiq_jax.evaluation.maps.evaluate_maps import MapsEvaluation
from pfiq_jax.evaluation.maps.explained import Explained
from pfiq_jax.evaluation.maps.inpainting import INPAINTING_MEASURES, STATES, InpaintingEvaluation
from pfiq_jax.evaluation.maps.map_measures import MAP_MEASURES
from pfiq_jax.evaluation.maps.masks import MASK_MEASURES, MasksEvaluation
from pfiq_jax.evaluation.maps.occlusions import OCCLUSIONS
from pfiq_jax.evaluation.maps.regions import Images, Maps
from pfiq_jax.evaluation.measure import INTERVALS, MARKS, Measure, legend, measure_tables
from pfiq_jax.plotting import draw_deficit, draw_map, draw_over, new_figure

DEFICIT = "deficit"  # name of a row of pictures
MOST_OF_MASKS, MOST_OF_INPAINTING = 4, 2 * len(OCCLUSIONS)  # faces in the pictures


def maps_table(evaluation: MapsEvaluation) -> str:
    """All estimates of all methods in Markdown, with a legend."""
    faces = len(next(iter(evaluation.clean.values())).map)
    return _tables(f"{faces} faces, one of each person.", MAP_MEASURES, evaluation.estimates)


def masks_table(evaluation: MasksEvaluation, method: str, kind: str) -> str:
    """All estimates of a map method in Markdown, a row per size, with a legend."""
    faces = f"{len(evaluation.images)} good faces, one of each person"
    about = f"{faces}; squares of {kind} by side in pixels; map: {method}."
    return _tables(about, MASK_MEASURES, evaluation.estimates)


def inpainting_table(evaluation: InpaintingEvaluation, method: str) -> str:
    """All estimates of a map method in Markdown, a row per occlusion, with a legend."""
    about = f"{len(evaluation.kinds)} faces, one of each person; map: {method}."
    return _tables(about, INPAINTING_MEASURES, evaluation.estimates)


def json_of_rows(method: str, estimates: Mapping[str, Mapping[str, Estimate]]) -> dict[str, Any]:
    """Estimates by row and measure as ``json_of`` of one method, in which each is named MEASURE_ROW."""
    flat = {f"{measure}_{row}": each for row, of_row in estimates.items() for measure, each in of_row.items()}
    return json_of(method, {method: flat})


def _tables(about: str, measures: Sequence[Measure], estimates: Mapping[str, Mapping[str, Estimate]]) -> str:
    tables = "\n\n".join(measure_tables(measures, estimates))
    return f"{about} {INTERVALS} {MARKS}\n\n{tables}\n\n{legend(measures)}\n"


def plot_masks(evaluation: MasksEvaluation, method: str, kind: str) -> Any:
    """Some faces without and with squares of every size, with their qualities, maps and deficits.

    Args:
        evaluation: from ``evaluate_masks``.
        method: the name of the map.
        kind: what the squares hold.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    images = [evaluation.images, *(masked.images for masked in evaluation.masked.values())]
    explained = [evaluation.clean, *evaluation.explained.values()]
    labels = ["", *(f"{size} px: " for size in evaluation.masked)]
    titles = [
        [f"{label}{quality:.3f}" for quality in each.quality] for label, each in zip(labels, explained, strict=True)
    ]
    return plot_faces(
        np.stack(_by_face(images, MOST_OF_MASKS)),
        _by_face(titles, MOST_OF_MASKS),
        _sheets(method, explained, MOST_OF_MASKS),
        len(images),
        heading=f"squares of {kind}, and the quality of the face",
    )


def plot_inpainting(evaluation: InpaintingEvaluation, method: str) -> Any:
    """Some faces in every state, with their qualities, maps and deficits.

    Args:
        evaluation: from ``evaluate_inpainting``.
        method: the name of the map.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    explained = [evaluation.explained[state] for state in STATES]
    titles = [
        [f"{state}\n{quality:.3f}" for quality in each.quality] for state, each in zip(STATES, explained, strict=True)
    ]
    return plot_faces(
        np.stack(_by_face([evaluation.images[state] for state in STATES], MOST_OF_INPAINTING)),
        _by_face(titles, MOST_OF_INPAINTING),
        _sheets(method, explained, MOST_OF_INPAINTING),
        2 * len(STATES),
        heading="occlusions drawn and filled again, and the quality of the face",
    )


def plot_faces(
    images: Images,
    titles: Sequence[str],
    maps: Mapping[str, Maps],
    columns: int,
    *,
    heading: str = "",
) -> Any:
    """A contact sheet: faces, and below each face its maps.

    Args:
        images: RGB, 0..255.
        titles: one above each face.
        maps: by name, in [0, 1], drawn in ``MAP_COLOURS``; those named ``DEFICIT`` as deficits.
        columns: faces per row.
        heading: above the whole picture.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    rows = math.ceil(len(images) / columns)
    figure = new_figure(1.25 * columns + 0.5, (1.25 * (1 + len(maps)) + 0.25) * rows + 0.5)
    _draw_faces(figure, images, titles, maps, columns)
    figure.suptitle(heading, parse_math=False)
    return figure


def _draw_faces(
    figure: Any,
    images: Images,
    titles: Sequence[str],
    maps: Mapping[str, Maps],
    columns: int,
) -> None:
    """Draws the sheet of ``plot_faces`` into a figure or a part of one."""
    kinds = 1 + len(maps)
    axes = figure.subplots(kinds * math.ceil(len(images) / columns), columns, squeeze=False)
    for each in axes.flat:
        each.set(xticks=[], yticks=[])
        each.set_frame_on(False)
    for index, (image, title) in enumerate(zip(images, titles, strict=True)):
        top, column = kinds * (index // columns), index % columns
        draw_over(axes[top, column], image)
        axes[top, column].set_title(title, fontsize="small", parse_math=False)
        for row, (name, of_faces) in enumerate(maps.items(), start=top + 1):
            (draw_deficit if name == DEFICIT else draw_map)(axes[row, column], of_faces[index])
            if column == 0:
                axes[row, 0].set_ylabel(name.replace("_", "\n"), fontsize="small")


def _sheets(method: str, explained: Sequence[Explained], count: int) -> dict[str, Maps]:
    """The maps of the first faces in each state, and their deficits if there are any."""
    sheets = {method: np.stack(_by_face([each.map for each in explained], count))}
    deficits = [each.deficit for each in explained if each.deficit is not None]
    return sheets | ({DEFICIT: np.stack(_by_face(deficits, count))} if deficits else {})


def _by_face(states: Sequence[Iterable[Any]], count: int) -> list[Any]:
    """What belongs to each of the first faces in each state, with all states of a face in a row."""
    of_faces = list(zip(*states, strict=True))[:count]
    return [of_state for of_face in of_faces for of_state in of_face]
