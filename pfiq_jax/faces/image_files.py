"""Image files as 8-bit RGB, whatever their format."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces import limits
from pfiq_jax.faces.decoding import FORMATS, Picture, decode
from pfiq_jax.faces.folders import images_below, left_out, list_of
from pfiq_jax.faces.records import RGB, Open, Record, Source
from pfiq_jax.faces.truncation import ends_early

Result = TypeVar("Result")


def read_image(path: str | os.PathLike[str]) -> RGB:
    """Reads an image file as RGB, turned upright by its EXIF orientation; the first frame of an animation.

    An alpha channel is dropped and not blended with a background, as for the images that networks were trained on.
    16-bit channels are divided by 257. Floating-point images are read as 0..1 if no value is above 1, otherwise as
    0..255. An ambiguous range, such as 10 bits in a 16-bit file, is refused; see ``images.white_of``. Colour profiles
    are ignored, and so is EXIF that cannot be read.

    Raises:
        PfiqError: for a file that cannot be read as an image, for pixels that end early or have an ambiguous range, and
            for files beyond the limits: ``MAX_BYTES``, ``MAX_PIXELS`` and the others of ``faces.limits``.
    """
    return with_image(path, lambda picture: picture.pixels)


def with_image(source: Source, use: Callable[[Picture], Result]) -> Result:
    """Applies a function to the image in a file or a record. Its pixels are as ``read_image`` returns them.

    Until the function returns, the pixels of the image count towards ``limits.MAX_PIXELS``, the number that all threads
    together may decode at once. Other threads wait.

    Raises:
        PfiqError: as ``read_image``; also any error that ``use`` raises.
    """
    with contextlib.ExitStack() as taken:
        return use(_read(source, taken))


def _read(source: Source, taken: contextlib.ExitStack) -> Picture:
    """Reads an image; closing ``taken`` returns its share of the budgets."""
    content = source.content if isinstance(source, Record) else Path(source)
    data = b""
    try:
        if isinstance(content, np.ndarray):
            return Picture(_checked(content), has_more=False)
        data = _bytes_of(content, taken)
        return decode(data, lambda pixels: taken.enter_context(limits.PIXELS_IN_FLIGHT.take(pixels)))
    except Exception as error:  # for damaged files Pillow raises exceptions of almost any class
        raise PfiqError(f"{source}: {_reason(error, data)}") from error


def _bytes_of(content: Path | bytes | Open, taken: contextlib.ExitStack) -> bytes:
    if not isinstance(content, Path):
        if not isinstance(content, bytes):
            with content() as file:
                content = file.read(limits.MAX_BYTES + 1)
        _check_size(len(content))
        return content
    if content.is_dir():
        raise PfiqError(_about_folder(content))
    if not content.is_file():  # includes pipes, which would block
        raise PfiqError("no such file; give an image file.")
    with content.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        _check_size(size)
        taken.enter_context(limits.BYTES_IN_FLIGHT.take(size))
        return file.read(size)


def _check_size(size: int) -> None:
    """Raises a PfiqError, whose text is only the reason, for a file that is empty or too large."""
    if size == 0:
        raise PfiqError(f"is empty; give a {', '.join(FORMATS)} file.")
    if size > limits.MAX_BYTES:
        raise PfiqError(f"has {size:,} bytes, more than {limits.MAX_BYTES:,}; shrink it, or crop it to the face.")


def _checked(pixels: np.ndarray) -> RGB:
    """The pixels of a record, which must be 8-bit RGB: other types are ambiguous."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise PfiqError(f"is an array of {pixels.dtype} {pixels.shape}; give uint8 pixels (height, width, 3) in RGB.")
    limits.check_pixels(pixels.shape[1], pixels.shape[0])
    return pixels


def _reason(error: Exception, data: bytes) -> str:
    """The reason why a file with these bytes cannot be used, and how to fix it."""
    if isinstance(error, PfiqError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"has more than {limits.MAX_PIXELS:,} pixels; shrink it, or crop it to the face."
    if isinstance(error, PermissionError):
        return "may not be read; change its permissions."
    if isinstance(error, FileNotFoundError):
        return "no such file; give an image file."
    if isinstance(error, MemoryError):
        return "does not fit in memory; shrink it, or crop it to the face."
    if isinstance(error, OSError) and error.errno:  # raised by the system, as for a name that is too long
        return f"cannot be read ({error.strerror}); give an image file."
    words = ("truncated", "not enough image data", "buffer is not large enough")
    if any(word in str(error).lower() for word in words) or ends_early(data):
        return limits.TRUNCATED
    return f"is damaged, or not an image in a known format; give a {', '.join(FORMATS)} file."


def _about_folder(folder: Path) -> str:
    os.scandir(folder).close()  # raises if it may not be read
    what = "is a folder" if any(images_below(os.fspath(folder))) else "contains no images"
    if what == "contains no images" and (unread := left_out([folder])):
        what = f"contains no images in a format that is read, but {list_of(unread)}"
    return f"{what}; give image files, or folders that contain some."
