"""The results of a command per file: collected while it runs, summarised on stderr at its end."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
import numpy as np

from pfiq_jax.calibration import PUBLISHED_SER_FIQ
from pfiq_jax.cli.commands import LACKING, one_line
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces import Face
from pfiq_jax.faces.records import Source
from pfiq_jax.maps.face_regions import NOT_CALIBRATED
from pfiq_jax.quality import find_calibration
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.scoring import NOT_FINITE

MEANING = "Quality runs from 0 to 1; higher is more useful for recognition. Compare scores of one recogniser only."
NAMED = 10  # files that a warning names; it counts the others
LISTED = 100  # errors that are printed; the others are counted
SATURATED = 0.001  # nearer to 0 or 1 a scaled score hardly changes with the raw one


@contextmanager
def outcome(recognizer: Recognizer, *, total: int) -> Iterator["Outcome"]:
    """Collects the result of each file: ``with outcome(recognizer, total=9) as seen: ...``.

    At its end, also after an exception, it prints on stderr what the scores mean, which ones are unreliable and why,
    and which files failed. The exit code is 1 if files failed.

    Args:
        recognizer: the notes and warnings depend on its image size and calibrations.
        total: how many files the command was given.
    """
    seen = Outcome(recognizer, total)
    try:
        yield seen
    finally:
        for line in seen.summary():
            click.echo(one_line(line), err=True)
    if seen.failed:
        raise SystemExit(LACKING)


class Outcome:
    """The results of the files so far.

    Args:
        recognizer: the notes and warnings depend on its image size and calibrations.
        total: how many files the command was given.
    """

    def __init__(self, recognizer: Recognizer, total: int) -> None:
        self.recognizer = recognizer
        self.total = total
        self.resized = Files()
        self.photographs, self.faces_found = Files(), 0
        self.warned: dict[str, Files] = {}
        self.failed, self.errors = 0, list[str]()  # the first ones
        self._scale_is_published = False
        self._lacks_deficits = False
        self._lowest, self._highest = math.inf, -math.inf  # of the scaled scores; lowest > highest if there are none

    def note(self, source: Source, face: Face | PfiqError) -> None:
        """Records an image: its face, or the reason why it has none."""
        if isinstance(face, PfiqError):
            self.failed += 1
            if self.failed <= LISTED:
                self.errors.append(str(face))
            return
        if face.resized:
            self.resized.add(source)
        if face.found is not None:
            self.photographs.add(source)
            self.faces_found += 1
        for warning in face.warnings:
            self.warned.setdefault(warning, Files()).add(source)

    def note_qualities(self, method: str, qualities: Sequence[float] | np.ndarray) -> None:
        """Records scaled scores, in [0, 1], of a quality method of this recogniser, before they are drawn or written.

        Raises:
            PfiqError: if one is not finite.
        """
        if not np.isfinite(qualities).all():
            raise PfiqError(f"{method}: {NOT_FINITE}")
        self._lowest = min(self._lowest, *map(float, qualities), math.inf)
        self._highest = max(self._highest, *map(float, qualities), -math.inf)
        self._scale_is_published |= find_calibration(self.recognizer, method) is PUBLISHED_SER_FIQ

    def note_deficits(self, deficits: object | None) -> None:
        """Records the deficits that a map method returned; None if the recogniser was not calibrated for them."""
        self._lacks_deficits |= deficits is None

    def summary(self) -> Iterator[str]:
        """Lines on what the scores mean, which ones are unreliable and why, and which files failed."""
        if self._lowest <= self._highest:
            yield from self._about_scores()
        if self._lacks_deficits:
            yield f"Note: {NOT_CALIBRATED}"
        if self.faces_found:
            photographs = counted(self.photographs.count, "photograph")
            yield f"{counted(self.faces_found, 'face')} found and aligned in {photographs}."
        if self.resized.count:
            yield self._about_resized()
        for warning, files in self.warned.items():
            yield f"Warning: {files.count} of {self.total} files: {warning}: {files}."
        for error in self.errors:
            yield f"Error: {error}"
        if self.failed > LISTED:
            yield f"Error: and {self.failed - LISTED} more like these."
        if self.failed:
            yield f"{self.failed} of {self.total} files were left out."

    def _about_scores(self) -> Iterator[str]:
        yield MEANING
        if self._scale_is_published:
            yield (
                "Note: this recogniser has no scale of its own; quality uses SER-FIQ's published scale, which fits "
                "another network. Fit one with `pfiq calibrate`."
            )
        if self._highest < SATURATED or self._lowest > 1 - SATURATED:
            side = f"below {SATURATED}" if self._highest < SATURATED else f"above {1 - SATURATED}"
            yield (
                f"Warning: every quality is {side}, where the scale cannot rank faces; compare raw_quality of "
                "`pfiq score` instead."
            )

    def _about_resized(self) -> str:
        height, width = self.recognizer.preprocessing.size
        return (
            f"Warning: {self.resized.count} of {self.total} files were resized to {width}x{height} pixels without "
            f"alignment, so their scores may be unreliable: {self.resized}. Give landmarks or aligned faces, "
            "or leave out --detect none."
        )


def counted(number: int, what: str) -> str:
    """A number of things, as "1 face" or "2 faces"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


class Files:
    """Counts files, each once if it is added several times in a row, and lists the first names."""

    def __init__(self) -> None:
        self.count = 0
        self._names: list[str] = []
        self._last: Source | None = None

    def add(self, source: Source) -> None:
        """Counts a file."""
        if source is self._last:
            return
        self._last = source
        self.count += 1
        if self.count <= NAMED:
            self._names.append(click.format_filename(str(source)))

    def __str__(self) -> str:
        rest = self.count - len(self._names)
        return ", ".join(self._names) + (f" and {rest} more" if rest else "")
