"""``pfiq evaluate masks`` and ``inpainting``: do map and score notice what was done to a face?"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from tqdm import tqdm

from pfiq_jax.cli.experiment import Report, begin
from pfiq_jax.cli.shared import FILE, option_recognizer
from pfiq_jax.evaluation.figure import Figure, json_of
from pfiq_jax.evaluation.maps.disturbances import (
    MASK_SIZES,
    OCCLUSIONS,
    inpaint,
    masks_experiment,
    mean_within,
    occlude,
)
from pfiq_jax.evaluation.maps.evaluate_maps import mean_figures
from pfiq_jax.evaluation.maps.explained import explain_faces
from pfiq_jax.evaluation.maps.report import plot_faces, table
from pfiq_jax.maps.methods import DEFAULT_MAP_METHOD, MAP_METHODS

PICTURED = 4  # faces
MASK_FIGURES = (
    "found",
    "quality_before",
    "quality_after",
    "inside_before",
    "inside_after",
    "outside_before",
    "outside_after",
)


def experiment(verb: Callable[..., None]) -> Any:
    """Adds what both verbs take."""
    options = (
        click.argument("folder", type=FILE),
        click.option(
            "--method",
            type=click.Choice(tuple(MAP_METHODS)),
            default=DEFAULT_MAP_METHOD,
            show_default=True,
            help="Map.",
        ),
        click.option(
            "--limit", type=click.IntRange(2), default=100, show_default=True, help="How many people to take."
        ),
        click.option(
            "--json", "json_file", type=FILE, metavar="FILE", help="Figures; - for stdout. [default: VERB.json]"
        ),
        option_recognizer,
    )
    for option in reversed(options):
        verb = option(verb)
    return click.command()(verb)


@experiment
def masks(folder: Path, method: str, limit: int, json_file: Path | None, weights: Path | None) -> None:
    """Measure whether maps turn low where a black square covers a good face.

    FOLDER holds a folder for each person, with aligned faces in it; one of each person is taken, and of these the half
    of highest quality. Squares of 10 to 50 pixels are drawn on them at random. Printed and written as masks.md, with
    examples as masks.png and the figures as masks.json, all with 95% intervals over people:

    \b
    found    share of faces in which no other square of the size has a lower map (of squares at every
             half side, without those that share more than half of the black one's area)
    inside   mean map where the square is; outside: of all other pixels
    quality  of the face, 0 to 1; higher is better

    Faces that cannot be read are listed at the end, and make the exit code 1; all others are evaluated.
    """
    recognizer, sample, report = begin(folder, limit, json_file, "masks", weights)
    clean = explain_faces(MAP_METHODS[method], recognizer, sample.images)
    best = np.argsort(-clean.quality, kind="stable")[: (len(sample.images) + 1) // 2]
    images, clean = sample.images[best], type(clean)(clean.quality[best], clean.map[best])

    values: dict[tuple[str, str], np.ndarray] = {}
    pictures, drawn_maps = [images[:PICTURED]], [clean.map[:PICTURED]]
    captions = [[f"{quality:.3f}" for quality in clean.quality[:PICTURED]]]
    for size in tqdm(MASK_SIZES, unit="size", disable=None):
        result = masks_experiment(MAP_METHODS[method], recognizer, images, clean, size=size, seed=size)
        of_size = (
            result.found,
            clean.quality,
            result.explained.quality,
            result.inside_before,
            result.inside_after,
            result.outside_before,
            result.outside_after,
        )
        values |= {(str(size), name): each for name, each in zip(MASK_FIGURES, of_size, strict=True)}
        pictures.append(result.masked.images[:PICTURED])
        captions.append([f"{size} px: {quality:.3f}" for quality in result.explained.quality[:PICTURED]])
        drawn_maps.append(result.explained.map[:PICTURED])
    write_by_row(
        report,
        method,
        mean_figures(values),
        MASK_FIGURES,
        f"{len(images)} good faces, one of each person; squares of so many pixels",
    )
    drawn = plot_faces(
        np.stack(by_face(pictures)),
        by_face(captions),
        {method: np.stack(by_face(drawn_maps))},
        len(pictures),
        heading="black squares, and the quality of the face",
    )
    drawn.savefig(report.picture, metadata={"Software": None})
    sample.close(recognizer)


@experiment
def inpainting(folder: Path, method: str, limit: int, json_file: Path | None, weights: Path | None) -> None:
    """Measure whether score and map rise when what covers a face is taken away.

    FOLDER holds a folder for each person, with aligned faces in it; one of each person is taken. Sunglasses, a scarf
    or a hand are drawn on each, then replaced by what the other faces let one expect there. Printed and written as
    inpainting.md, with examples as inpainting.png and the figures as inpainting.json, all with 95% intervals over
    people:

    \b
    quality  of the face, 0 to 1; higher is better
    inside   mean map where the occlusion is, or was
    gain     of the restored face over the occluded one;  gained: share of faces in which it is positive

    Faces that cannot be read are listed at the end, and make the exit code 1; all others are evaluated.
    """
    recognizer, sample, report = begin(folder, limit, json_file, "inpainting", weights)
    occluded = occlude(0, sample.images)
    states = {
        "clean": sample.images,
        "occluded": occluded.images,
        "restored": inpaint(occluded.images, occluded.regions, sample.images),
    }
    explained = {
        state: explain_faces(MAP_METHODS[method], recognizer, images)
        for state, images in tqdm(states.items(), unit="state", disable=None)
    }
    qualities = {state: result.quality for state, result in explained.items()}
    insides = {state: mean_within(result.map, occluded.regions) for state, result in explained.items()}
    values: dict[str, np.ndarray] = {}
    for name, of_state in (("quality", qualities), ("inside", insides)):
        gain = of_state["restored"] - of_state["occluded"]
        values |= {f"{name}_{state}": each for state, each in of_state.items()}
        values |= {f"{name}_gain": gain, f"{name}_gained": gain > 0}
    kinds = np.array(occluded.kinds)
    rows = {"all": kinds == kinds} | {kind: kinds == kind for kind in OCCLUSIONS[: len(kinds)]}
    figures: dict[tuple[str, str], Figure] = {}
    for row, of_row in rows.items():
        figures |= mean_figures({(row, name): each[of_row] for name, each in values.items()})
    write_by_row(report, method, figures, tuple(values), f"{len(kinds)} faces, one of each person")
    shown = 2 * len(OCCLUSIONS)
    drawn = plot_faces(
        np.stack(by_face([images[:shown] for images in states.values()])),
        by_face([[f"{state}\n{quality:.3f}" for quality in of_state[:shown]] for state, of_state in qualities.items()]),
        {method: np.stack(by_face([result.map[:shown] for result in explained.values()]))},
        2 * len(states),
        heading="occlusions drawn and filled again, and the quality of the face",
    )
    drawn.savefig(report.picture, metadata={"Software": None})
    sample.close(recognizer)


def write_by_row(
    report: Report,
    method: str,
    figures: Mapping[tuple[str, str], Figure],
    columns: Sequence[str],
    about: str,
) -> None:
    """Writes figures by row and column: the table so, the JSON under one method as COLUMN_ROW."""
    rows: dict[str, dict[str, Figure]] = {}
    for (row, column), figure in figures.items():
        rows.setdefault(row, {})[column] = figure
    text = f"{about}; map: {method}. In brackets: 95% intervals of a bootstrap over people.\n\n"
    text += table(rows, {name: name.replace("_", " ") for name in columns}) + "\n"
    flat = {f"{column}_{row}": figure for (row, column), figure in figures.items()}
    report.write(json_of(method, {method: flat}), text)


def by_face(states: Iterable[Iterable[Any]]) -> list[Any]:
    """What belongs to each face in each state, so ordered that all states of a face follow one another."""
    return [of_state for of_face in zip(*states, strict=True) for of_state in of_face]
