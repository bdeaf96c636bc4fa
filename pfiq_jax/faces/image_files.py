"""Image files as 8-bit RGB, whatever they hold."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from pfiq_jax.errors import PfiqError

# What Pillow reads by itself. Left out are formats that it hands to other programs (EPS) and those nobody
# keeps faces in.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jp2", ".avif")
)
MAX_PIXELS = 89_478_485  # where Pillow suspects an attack: 256 MiB as RGB

RGB = UInt8[np.ndarray, "height width 3"]


def read_image(path: str | os.PathLike[str]) -> RGB:
    """An image file as RGB, upright as its EXIF orientation says; the first frame of an animation.

    An alpha channel is dropped rather than blended with a colour that nobody has chosen: networks and published
    scores have seen the pixels that way. 16-bit images are divided by 257, and refused if they go no
    higher than 255, which only 8-bit pixels in a wider file do; floating-point ones are taken as 0..1 if
    they go no higher than 1, else as 0..255. Colour profiles are ignored.

    Raises:
        PfiqError: for whatever cannot be read as an image of at most ``MAX_PIXELS``.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise PfiqError(_about_folder(path))
        if not path.is_file():  # said of pipes too, which would wait for ever
            raise PfiqError("no such file; give an image file.")
        with path.open("rb") as file:
            return _decode(file)
    except PfiqError as error:
        raise PfiqError(f"{path}: {error}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PfiqError(f"{path}: has more than {MAX_PIXELS:,} pixels; shrink it, or crop it to the face.") from error
    except PermissionError as error:
        raise PfiqError(f"{path}: may not be read; change its permissions.") from error
    except Exception as error:  # on damaged files Pillow raises almost anything
        if isinstance(error, OSError) and error.errno:  # the system's, as for a name too long, and not Pillow's
            raise PfiqError(f"{path}: cannot be read ({error.strerror}); give an image file.") from error
        reason = "is empty" if path.stat().st_size == 0 else "is damaged, or no image in a known format"
        raise PfiqError(f"{path}: {reason}; give a {', '.join(FORMATS)} file.") from error


def expand_paths(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Files, folders and patterns as a list of files, each once, in the order given.

    A folder stands for the images in it and below, by their suffixes, sorted; hidden ones are left out. A pattern is
    one with ``*``, ``?`` or ``[`` that names no file itself, for shells that leave it to the program. Other paths
    stay as they are, whether or not there is such a file; so do patterns and folders in which nothing is found, and
    folders that may not be read. ``read_image`` says what is wrong with each.
    """
    found: dict[str, Path] = {}
    for path in [os.fspath(path) for path in paths]:
        is_pattern = glob.has_magic(path) and not os.path.exists(path)
        for match in (is_pattern and sorted(glob.glob(path, recursive=True))) or [path]:
            for file in (os.path.isdir(match) and list(_images_below(match))) or [match]:
                found.setdefault(os.path.abspath(file), Path(file))
    return list(found.values())


def _images_below(folder: str) -> Iterator[str]:
    """The images, then the folders that cannot be looked into."""
    unreadable: list[str] = []
    for place, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(error.filename)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield os.path.join(place, name)
    yield from unreadable


def _about_folder(folder: Path) -> str:
    os.scandir(folder).close()  # raises if it may not be read
    what = "is a folder" if any(_images_below(os.fspath(folder))) else "holds no images"
    return f"{what}; give image files, or folders that hold some."


def _decode(file: BinaryIO) -> RGB:
    with Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError  # up to twice as many, Pillow only warns
        upright = ImageOps.exif_transpose(image)
        if upright.mode[0] in "IF":
            upright = Image.fromarray(_to_8_bit(np.asarray(upright)))
        elif "transparency" in upright.info:
            upright = upright.convert("RGBA")
        return np.asarray(upright.convert("RGB"))


def _to_8_bit(pixels: np.ndarray) -> np.ndarray:
    low, high = float(pixels.min()), float(pixels.max())
    if pixels.dtype.kind != "f":
        limit = 65535  # older Pillows give 16-bit files as 32-bit ones
        if 0 <= low and 0 < high <= 255:
            raise PfiqError(
                f"has pixels from {low:g} to {high:g}, which are black among {pixels.dtype.itemsize * 8} bits; "
                "save it with 8 bits a channel."
            )
    else:
        limit = 1 if high <= 1 else 255
    if not (low >= 0 and high <= limit):  # NaN neither
        raise PfiqError(f"has pixels from {low:g} to {high:g}; save it with 8 bits a channel.")
    return np.rint(pixels.astype(np.float32) * (255 / limit)).astype(np.uint8)
