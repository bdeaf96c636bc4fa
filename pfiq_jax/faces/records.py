"""One input: an image in a file or from another source, and what is known about the face in it."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import UInt8

from pfiq_jax.recognizers.preprocessing import Points

RGB = UInt8[np.ndarray, "height width 3"]
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, width and height, in pixels of the upright photograph."""

Open = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens an image that is not a file of its own, such as a member of an archive or an object of a store."""


class Record(NamedTuple):
    """An image that is scored.

    Attributes:
        name: its name in tables and messages.
        content: the path of the image, a function that opens it, the bytes of its file, or its pixels.
        landmarks: five (x, y), in the order of ``align``; None if a detector should find them.
        box: box of the face to use; None if it is not known.
        number: its position in the input, from 0.
    """

    name: str
    content: Path | bytes | RGB | Open
    landmarks: Points | None = None
    box: Box | None = None
    number: int = 0

    def __str__(self) -> str:
        return self.name


Source: TypeAlias = str | os.PathLike[str] | Record
"""A file, or a ``Record``."""
