"""Image files as 8-bit RGB, whatever their format."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from pfiq_jax.errors import PfiqError

# Formats that Pillow reads by itself, unlike EPS, which it passes to another program, and that faces are stored in.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jp2", ".avif")
)
MAX_PIXELS = 89_478_485  # Pillow's limit against decompression bombs: 256 MiB as RGB

RGB = UInt8[np.ndarray, "height width 3"]


def read_image(path: str | os.PathLike[str]) -> RGB:
    """Reads an image file as RGB, turned upright by its EXIF orientation; of an animation the first frame.

    An alpha channel is dropped and not blended with a background, as for the images that networks were trained on.
    16-bit images are divided by 257. They are refused if no value is above 255, since they are then 8-bit pixels in a
    wider file. Floating-point images are read as 0..1 if no value is above 1, otherwise as 0..255. Colour profiles are
    ignored.

    Raises:
        PfiqError: for a file that cannot be read as an image of at most ``MAX_PIXELS``.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise PfiqError(_about_folder(path))
        if not path.is_file():  # includes pipes, which would block
            raise PfiqError("no such file; give an image file.")
        with path.open("rb") as file:
            return _decode(file)
    except PfiqError as error:
        raise PfiqError(f"{path}: {error}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PfiqError(f"{path}: has more than {MAX_PIXELS:,} pixels; shrink it, or crop it to the face.") from error
    except PermissionError as error:
        raise PfiqError(f"{path}: may not be read; change its permissions.") from error
    except Exception as error:  # for damaged files Pillow raises exceptions of almost any class
        if isinstance(error, OSError) and error.errno:  # raised by the system, as for a name that is too long
            raise PfiqError(f"{path}: cannot be read ({error.strerror}); give an image file.") from error
        reason = "is empty" if path.stat().st_size == 0 else "is damaged, or not an image in a known format"
        raise PfiqError(f"{path}: {reason}; give a {', '.join(FORMATS)} file.") from error


def expand_paths(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Expands files, folders and patterns to a list of files, each once, in the order given.

    A folder is replaced by the images in it and below it, recognised by their suffixes and sorted, without hidden
    files. A pattern is a path with ``*``, ``?`` or ``[`` that is not itself a file; some shells leave patterns to the
    program. All other paths stay as they are, whether or not the file exists, as do patterns and folders in which
    nothing is found and folders that may not be read. For each such path ``read_image`` raises the reason.
    """
    found: dict[str, Path] = {}
    for path in [os.fspath(path) for path in paths]:
        is_pattern = glob.has_magic(path) and not os.path.exists(path)
        for match in (is_pattern and sorted(glob.glob(path, recursive=True))) or [path]:
            for file in (os.path.isdir(match) and list(_images_below(match))) or [match]:
                found.setdefault(os.path.abspath(file), Path(file))
    return list(found.values())


def _images_below(folder: str) -> Iterator[str]:
    """The images, then the folders that may not be read."""
    unreadable: list[str] = []
    for place, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(error.filename)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield os.path.join(place, name)
    yield from unreadable


def _about_folder(folder: Path) -> str:
    os.scandir(folder).close()  # raises if it may not be read
    what = "is a folder" if any(_images_below(os.fspath(folder))) else "contains no images"
    return f"{what}; give image files, or folders that contain some."


def _decode(file: BinaryIO) -> RGB:
    with Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError  # Pillow only warns up to twice the limit
        upright = ImageOps.exif_transpose(image)
        if upright.mode[0] in "IF":
            upright = Image.fromarray(_to_8_bit(np.asarray(upright)))
        elif "transparency" in upright.info:
            upright = upright.convert("RGBA")
        return np.asarray(upright.convert("RGB"))


def _to_8_bit(pixels: np.ndarray) -> np.ndarray:
    low, high = float(pixels.min()), float(pixels.max())
    if pixels.dtype.kind != "f":
        limit = 65535  # older versions of Pillow read 16-bit files as 32-bit ones
        if low >= 0 and 0 < high <= 255:
            raise PfiqError(
                f"has pixels from {low:g} to {high:g}, nearly black for {pixels.dtype.itemsize * 8} bits; "
                "save it with 8 bits per channel."
            )
    else:
        limit = 1 if high <= 1 else 255
    if not (low >= 0 and high <= limit):  # also for NaN
        raise PfiqError(f"has pixels from {low:g} to {high:g}; save it with 8 bits per channel.")
    return np.rint(pixels.astype(np.float32) * (255 / limit)).astype(np.uint8)
