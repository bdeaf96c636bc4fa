"""The pictures of the evaluations of maps: curves, and faces in several states with their maps and deficits."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pfiq_jax.evaluation.controls import DETAIL, MEAN_MAP, RANDOM
from pfiq_jax.evaluation.maps.deletion_insertion import Curve
from pfiq_jax.evaluation.maps.evaluate_maps import MapsEvaluation
from pfiq_jax.evaluation.maps.explained import Explained
from pfiq_jax.evaluation.maps.inpainting import STATES, InpaintingEvaluation
from pfiq_jax.evaluation.maps.masks import MasksEvaluation
from pfiq_jax.evaluation.maps.occlusions import OCCLUSIONS
from pfiq_jax.evaluation.maps.regions import Images, Maps
from pfiq_jax.plot_style import legend_right, line_styles, new_figure
from pfiq_jax.plotting import plot_faces, sheet_size

CONTROLS = (RANDOM, MEAN_MAP, DETAIL)
CURVES_HEIGHT = 4.5  # inches
MOST_OF_MASKS, MOST_OF_INPAINTING = 4, 2 * len(OCCLUSIONS)  # faces in the pictures


def plot_maps(evaluation: MapsEvaluation, images: Images) -> Any:
    """The curves of all methods, and the first faces, clean and with every kind of cover, with maps and deficits.

    Args:
        evaluation: from ``evaluate_maps``.
        images: the faces, RGB, 0..255.

    Returns:
        The ``Figure``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    states = ["clean", *evaluation.covered]
    in_states = [images, *(covered.images for covered in evaluation.covered.values())]
    explained = [evaluation.clean, *(covered.explained for covered in evaluation.covered.values())]
    shown = len(in_states[1])
    maps: dict[str, Maps] = {}
    deficits: dict[str, Maps] = {}
    for name in evaluation.clean:
        if name not in CONTROLS:
            of_maps, of_deficits = _sheets(name, [of_state[name] for of_state in explained], shown)
            maps |= {f"{label}_map": values for label, values in of_maps.items()}
            deficits |= {f"{name}_{label}": values for label, values in of_deficits.items()}
    width, height = sheet_size(shown * len(states), len(states), len(maps), len(deficits))
    figure = new_figure(width, CURVES_HEIGHT + height)
    above, below = figure.subfigures(2, 1, height_ratios=(CURVES_HEIGHT, height))
    left, right = above.subplots(1, 2)
    _plot_curves(left, evaluation.curves["insertion"], "insertion into the blurred face")
    _plot_curves(right, evaluation.curves["deletion"], "deletion by the blurred face")
    legend_right(right)
    faces = np.stack(_by_face(in_states, shown))
    plot_faces(faces, states * shown, maps, deficits, columns=len(states), figure=below)
    return figure


def _plot_curves(axes: Any, curves: Mapping[str, Curve], title: str) -> None:
    styles = line_styles(list(curves), CONTROLS)
    for name, curve in curves.items():
        axes.plot(curve.fractions, curve.similarity.mean(1), label=name, **styles[name])
    axes.set(xlim=(0, 1), ylim=(None, 1), xlabel="share of the pixels, highest quality first", title=title)
    axes.set_ylabel("cosine to the clean face")


def plot_masks(evaluation: MasksEvaluation, method: str, kind: str) -> Any:
    """Some faces without and with squares of every size, with their qualities, maps and deficits.

    Args:
        evaluation: from ``evaluate_masks``.
        method: the name of the map.
        kind: what the squares show.

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
        *_sheets(method, explained, MOST_OF_MASKS),
        columns=len(images),
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
        *_sheets(method, explained, MOST_OF_INPAINTING),
        columns=2 * len(STATES),
        heading="occlusions drawn and filled again, and the quality of the face",
    )


def _sheets(method: str, explained: Sequence[Explained], count: int) -> tuple[dict[str, Maps], dict[str, Maps]]:
    """The maps of the first faces in each state, and their deficits if there are any, in the form of ``plot_faces``."""
    maps = {method: np.stack(_by_face([each.map for each in explained], count))}
    deficits = [each.deficit for each in explained if each.deficit is not None]
    return maps, {"deficit": np.stack(_by_face(deficits, count))} if deficits else {}


def _by_face(states: Sequence[Iterable[Any]], count: int) -> list[Any]:
    """The values of the first faces in each state, with all states of a face next to each other."""
    of_faces = list(zip(*(list(state)[:count] for state in states), strict=True))
    return [of_state for of_face in of_faces for of_state in of_face]
