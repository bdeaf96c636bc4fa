"""The report of a study of activation maps: pictures, numbers, and one page of HTML that contains both."""

import base64
import html
import json
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pfiq_jax.maps.face_regions import NOT_CALIBRATED
from pfiq_jax.plot_style import png_of
from pfiq_jax.tables import csv_text
from pfiq_jax.variation.deficits import Deficits
from pfiq_jax.variation.findings import findings_of
from pfiq_jax.variation.pictures import plot_deficits, plot_densities, plot_examples, plot_relation, plot_statistics
from pfiq_jax.variation.study_files import FilesStudy

CAPTIONS = {
    "statistics.png": "Activation maps of both sets, and their difference. The central face is outlined.",
    "densities.png": "Densities of the pixels of these maps, with their means as dotted lines.",
    "faces.png": "The best and the worst faces: activation maps and their deviation from the mean map of good faces.",
    "deficits.png": "Mean deficits of both sets: the share of good faces that contribute more at a place.",
    "deviations.png": "Faces outside the good set: deviation from the mean map of good faces, and score.",
}
"""The pictures of a report. The picture of deficits exists only if the recogniser was calibrated for them."""

REPORT_FILES = ("report.html", "report.json", "faces.csv", *CAPTIONS)

_STYLE = (
    "body{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em;line-height:1.4}"
    "table{border-collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid #ccc;text-align:right}"
    "td:first-child,th:first-child{text-align:left}figure{margin:2em 0}img{max-width:100%}"
)


class Report(NamedTuple):
    """The report of a study.

    Attributes:
        summary: what was studied, then the findings, one paragraph each.
        files: the contents of the ``REPORT_FILES``, by name.
    """

    summary: list[str]
    files: dict[str, bytes]


def report_of(studied: FilesStudy, deficits: Deficits | None, metadata: Mapping[str, str], *, source: str) -> Report:
    """The report of a study.

    Args:
        studied: the study.
        deficits: of both sets; None if the recogniser was not calibrated for them.
        metadata: the names of the "score", of the "activations" and of the "recognizer".
        source: a description of the faces from which the sets were taken.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    found, score = studied.found, metadata["score"]
    findings = findings_of(found, studied.scores, studied.region)
    lacking = [NOT_CALIBRATED] if deficits is None else deficits.sentences()
    sentences = [*findings.sentences(score), *lacking]
    about = (
        f"{found.high.count} faces of the highest and {found.low.count} of the lowest {score}, from {source}; "
        f"{len(found.others)} single faces from all that are not in the high end. Activation maps: "
        f"{metadata['activations']}. Recogniser: {metadata['recognizer']}."
    )
    pictures = {
        "statistics.png": png_of(plot_statistics(found.high, found.low, studied.region)),
        "densities.png": png_of(plot_densities(found.high, found.low, studied.region)),
        "faces.png": png_of(plot_examples(studied.examples, found.high)),
        "deviations.png": png_of(plot_relation(studied.scores, found.deviations.whole, score)),
    }
    if deficits is not None:
        pictures["deficits.png"] = png_of(plot_deficits(deficits))
    captioned = {CAPTIONS[name]: png for name, png in pictures.items()}
    page = html_page(f"Activation maps by {score}", [about, *sentences], findings.rows(), captioned)
    values = {
        **metadata,
        "faces": {"high": found.high.count, "low": found.low.count, "others": len(found.others)},
        "findings": sentences,
        "figures": {name: each if math.isfinite(each) else None for name, each in findings.numbers().items()},
        "deficits": None if deficits is None else {name: each.numbers() for name, each in deficits._asdict().items()},
    }
    texts = {
        "report.html": page,
        "report.json": json.dumps(values, indent=2, allow_nan=False) + "\n",
        "faces.csv": _faces_csv(studied),
    }
    files = {name: text.encode("utf-8", "surrogateescape") for name, text in texts.items()}
    return Report([about, *sentences], files | pictures)


def html_page(
    title: str, paragraphs: Sequence[str], table: Sequence[Sequence[str]], pictures: Mapping[str, bytes]
) -> str:
    """One page without other files: text, a table with a line of headings, and PNG pictures with captions."""
    head, *rows = table
    lines = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>',
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>",
        *(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs),
        "<table>",
        _row("th", head),
        *(_row("td", row) for row in rows),
        "</table>",
        *(
            f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
            for caption, png in pictures.items()
        ),
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"


def _faces_csv(studied: FilesStudy) -> str:
    """The score and the deviations of each single face."""
    numbers = zip(studied.scores, *studied.found.deviations, strict=True)
    rows = [
        (path, *(f"{number:.6g}" for number in of_face)) for path, of_face in zip(studied.paths, numbers, strict=True)
    ]
    return csv_text([("path", "score", "deviation", "deviation_outside"), *rows])


def _row(kind: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in cells) + "</tr>"
