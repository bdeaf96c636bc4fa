"""The progress of a run: a bar on a terminal, a line every half minute in a log."""

import sys
import time
from types import TracebackType

import click
from tqdm import tqdm

SECONDS = 30  # between lines in a log


class Progress:
    """Shows how many images are done, how many per second, and the time left, on stderr. A context manager.

    Args:
        total: number of images.
    """

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._bar = tqdm(total=total, unit="image", disable=not is_terminal)
        self._is_log = not is_terminal
        self._started = self._said = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.close()

    def update(self, number: int) -> None:
        """Adds to the number of images that are done."""
        self._done += number
        self._bar.update(number)
        now = time.monotonic()
        if self._is_log and now - self._said >= SECONDS:
            self._said = now
            rate = self._done / (now - self._started)
            left = tqdm.format_interval((self._total - self._done) / rate) if rate else "?"
            click.echo(f"{self._done:,} of {self._total:,} images, {rate:,.1f} per second, {left} left.", err=True)
