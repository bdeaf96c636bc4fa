"""Limits of reading an image: its bytes, its pixels, its time, and the memory of all images that are read at once."""

import contextlib
import threading
from collections.abc import Iterator

from pfiq_jax.errors import PfiqError

MAX_BYTES = 256 * 2**20
"""Bytes of a file, and of all files that are decoded at once."""

MAX_JPEG2000_BYTES = 16 * 2**20
"""Bytes of a JPEG 2000 file, which takes 0.3 s per megabyte to decode."""

MAX_PIXELS = 89_478_485
"""Pixels of an image, and of all images that are decoded at once: Pillow's limit against decompression bombs."""

MAX_SCANNED_PIXELS = 2 * 10**9
"""Scans times pixels of a JPEG file: 22 scans of the largest image. Ten are usual."""

MAX_PNG_CHUNKS = 100_000
"""Chunks of a PNG file, whose pixels are usually in chunks of 8 kB or more."""

MAX_SECONDS = 5
"""Seconds of processor time that decoding may take, where Pillow decodes in steps."""

TRUNCATED = "is truncated, its pixels end early; copy it again in whole."
DAMAGED = "is damaged; copy it again."


def check_pixels(width: int, height: int) -> None:
    """Raises a PfiqError, whose text is only the reason, for an image of more than ``MAX_PIXELS``."""
    if width * height > MAX_PIXELS:
        raise PfiqError(f"has {width * height:,} pixels, more than {MAX_PIXELS:,}; shrink it, or crop it to the face.")


class Budget:
    """An amount that several threads share. A thread that needs more than is left waits.

    Args:
        total: the amount. A thread that needs more than the total gets all of it.
    """

    def __init__(self, total: int) -> None:
        self._total = self._left = total
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, amount: int) -> Iterator[None]:
        """Takes an amount for the duration of a ``with`` block."""
        amount = min(amount, self._total)
        with self._changed:
            self._changed.wait_for(lambda: amount <= self._left)
            self._left -= amount
        try:
            yield
        finally:
            with self._changed:
                self._left += amount
                self._changed.notify_all()


# A thread takes bytes, then pixels, and waits for nothing while it has pixels, so that no two wait for each other.
BYTES_IN_FLIGHT = Budget(MAX_BYTES)
PIXELS_IN_FLIGHT = Budget(MAX_PIXELS)
