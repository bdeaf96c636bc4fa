"""From the bytes of an image file to 8-bit RGB, whatever their format."""

import contextlib
import io
import itertools
import os
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageFile

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces import jpeg, limits
from pfiq_jax.faces.netpbm import read_netpbm
from pfiq_jax.faces.png import SIGNATURE, has_frames, without_metadata
from pfiq_jax.faces.records import RGB
from pfiq_jax.images import white_of

# Formats that Pillow reads by itself, unlike EPS, which it passes to another program, and that faces are stored in.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
BLOCK = 2**20  # pixels that are converted at a time, so that a large image is not copied as a whole
ORIENTATION, PLANAR, BITS = 274, 284, 258  # tags of EXIF and TIFF
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}
OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
LOW_BYTES = {
    f"{channels};16{order}": f"{channels};16{other}"
    for channels in ("RGB", "RGBX", "RGBA", "CMYK")
    for order, other in OTHER_BYTE.items()
} | {"LA;16B": "RGBA"}
"""Pillow's mode for the lower bytes of 16-bit channels, by its mode for the upper bytes."""

Rows = Callable[[int, int], np.ndarray]
"""Returns the pixels of the rows from the first to the last, exclusive: (rows, width) or (rows, width, channels)."""
FRAMES = ("GIF", "WEBP", "TIFF", "AVIF")
"""Formats with animations or several pages, other than PNG. Further images in a JPEG are previews and depth maps."""


class Picture(NamedTuple):
    """The content of an image file.

    Attributes:
        pixels: pixels of the first frame.
        has_more: whether there are further frames or pages.
    """

    pixels: RGB
    has_more: bool


def decode(data: bytes, reserve: Callable[[int], object]) -> Picture:
    """Decodes an image file; see ``read_image``.

    Args:
        data: the whole file.
        reserve: called with the number of pixels before they are decoded; may wait.

    Raises:
        PfiqError: for pixels that end early or have an ambiguous range, and for files beyond the limits. Its text is
            only the reason, without the file.
        Exception: of any class, from Pillow, for a damaged file.
    """
    if netpbm := read_netpbm(data):
        pixels, white = netpbm
        height, width = pixels.shape[:2]
        reserve(height * width)
        return Picture(_whole(_to_8_bits(lambda a, b: pixels[a:b], height, width, white), height, width), False)
    (pixels, has_more), orientation = _decode_by_pillow(data, reserve)
    return Picture(np.ascontiguousarray(TURNS.get(orientation, np.asarray)(pixels)), has_more)


def _decode_by_pillow(data: bytes, reserve: Callable[[int], object]) -> tuple[Picture, int]:
    """The pixels as they are stored, and their EXIF orientation."""
    is_animated_png = data.startswith(SIGNATURE) and has_frames(data)
    if data.startswith(SIGNATURE):
        data = without_metadata(data)
    with contextlib.ExitStack() as opened:  # its end frees the memory of the images
        image = opened.enter_context(contextlib.closing(_open(data)))
        limits.check_pixels(*image.size)
        _check_duration(image, data)
        _check_planes(image)
        reserve(image.width * image.height)
        stored = _rawmodes(image)
        is_wide = bool(stored) and stored <= LOW_BYTES.keys()
        low_bytes = opened.enter_context(contextlib.closing(_open_low_bytes(image, data))) if is_wide else None
        image.load()
        if data.startswith(jpeg.START) and _is_grey_at_the_end(image):
            _check_jpeg_end(image, data)
        width, height = image.size
        if image.mode[0] in "IF":
            white = None if image.mode[0] == "F" else 2**12 - 1 if "I;12" in stored else 2**16 - 1
            rows = _to_8_bits(lambda a, b: np.asarray(image.crop((0, a, width, b))), height, width, white)
        elif low_bytes is not None:
            rows = _wide_colour(image, low_bytes, stored)
        else:
            rows = lambda a, b: _as_rgb(image.crop((0, a, width, b)))  # noqa: E731
        orientation, pixels = _orientation_of(image), _whole(rows, height, width)
        return Picture(pixels, is_animated_png or _has_more(image)), orientation


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins like an image in one of ``FORMATS``, also if it exceeds the limits of reading."""
    try:
        if not os.path.isfile(path):  # a pipe would block
            return False
        with _TimedFile(path) as file, Image.open(file, formats=FORMATS):
            return True
    except (PfiqError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return True  # reading it raises the reason
    except Exception:  # for other files Pillow raises exceptions of almost any class
        return False


class _TimedFile(io.FileIO):
    """A file that raises an error if it is read for too long."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(os.fspath(path))
        self._end = _end_of_time()

    def read(self, size: int | None = -1) -> bytes:
        _check_time(self._end)
        return super().read(size)


class _TimedBytes(io.BytesIO):
    """The same for a file in memory."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._end = _end_of_time()

    def read(self, size: int | None = -1) -> bytes:
        _check_time(self._end)
        return super().read(size)


def _end_of_time() -> float:
    return time.thread_time() + limits.MAX_SECONDS


def _check_time(end: float) -> None:
    if time.thread_time() > end:
        raise PfiqError(f"takes more than {limits.MAX_SECONDS} s to decode; save it as an ordinary JPEG or PNG.")


def _open(data: bytes) -> ImageFile.ImageFile:
    image = Image.open(_TimedBytes(data), formats=FORMATS)
    assert isinstance(image, ImageFile.ImageFile)  # for the type checker
    return image


def _check_duration(image: ImageFile.ImageFile, data: bytes) -> None:
    """Raises a PfiqError for files whose decoding takes long in a single step of a C library."""
    if data.startswith(jpeg.START):
        scans = jpeg.count_scans(data)
        if scans * image.width * image.height > limits.MAX_SCANNED_PIXELS:
            raise PfiqError(
                f"has {scans} scans of {image.width * image.height:,} pixels, which are slow to decode; save it as a "
                "baseline JPEG."
            )
    if image.format == "JPEG2000" and len(data) > limits.MAX_JPEG2000_BYTES:
        raise PfiqError(
            f"has {len(data):,} bytes, more than {limits.MAX_JPEG2000_BYTES:,} for JPEG 2000; save it as a PNG."
        )


def _is_grey_at_the_end(image: Image.Image) -> bool:
    """Whether the last pixels are middle grey, with which JPEG decoders fill missing data."""
    corner = np.asarray(image.crop((max(0, image.width - 4), max(0, image.height - 4), *image.size)))
    return bool(np.isin(corner, (127, 128)).all())


def _check_jpeg_end(image: ImageFile.ImageFile, data: bytes) -> None:
    """Raises a PfiqError for JPEG files whose pixels end early, although they have an end marker."""
    with contextlib.closing(_open(jpeg.with_more_data(data))) as more:
        if ImageChops.difference(image, more).getbbox():
            raise PfiqError(limits.TRUNCATED)


def _check_planes(image: ImageFile.ImageFile) -> None:
    """Raises a PfiqError for TIFF files that Pillow reads wrongly, without an error."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(PLANAR) == 2 and max(tags.get(BITS, (1,))) > 8:
        raise PfiqError("has channels of more than 8 bits in separate planes; save it with 8 bits per channel.")


def _rawmodes(image: ImageFile.ImageFile) -> set[str]:
    """How Pillow names the pixels in the file, such as ``RGB;16B``."""
    return {args if isinstance(args, str) else str(args[0]) for *_, args in image.tile if args}


def _open_low_bytes(image: ImageFile.ImageFile, data: bytes) -> ImageFile.ImageFile:
    """The lower byte of each 16-bit channel. Pillow keeps only the upper one."""
    low = _open(data)
    for index, tile in enumerate(low.tile):
        assert tile.args  # for the type checker
        args = LOW_BYTES[tile.args] if isinstance(tile.args, str) else (LOW_BYTES[tile.args[0]], *tile.args[1:])
        low.tile[index] = tile._replace(args=args)
    low.load()
    return low


def _wide_colour(image: Image.Image, low_bytes: Image.Image, stored: set[str]) -> Rows:
    """The rows of an image with 16-bit channels as 8 bits, from its upper and its lower bytes."""
    width, height = image.size

    def values(first: int, last: int) -> np.ndarray:
        low = np.asarray(low_bytes.crop((0, first, width, last)), np.uint16)
        if "LA;16B" in stored:  # four bytes per pixel, which were read as four channels
            return low[..., 0] << 8 | low[..., 1]
        high = np.asarray(image.crop((0, first, width, last)), np.uint16)
        channels = 4 if image.mode == "CMYK" else 3
        return (high << 8 | low)[..., :channels]

    rows = _to_8_bits(values, height, width, 2**16 - 1)
    if image.mode != "CMYK":
        return rows
    return lambda a, b: _as_rgb(Image.frombytes("CMYK", (width, b - a), rows(a, b).tobytes()))


def _to_8_bits(rows: Rows, height: int, width: int, white: int | None) -> Rows:
    """Rows of pixels with another range as 8 bits; ``white`` is the value of white in integers, None for floats."""
    blocks = _blocks(height, width)
    spans = [(block.min(), block.max()) for block in itertools.starmap(rows, blocks)]
    low, high = float(np.min(spans)), float(np.max(spans))  # NaN if a pixel is NaN

    def is_whole() -> bool:
        return all(_is_whole(block, white) for block in itertools.starmap(rows, blocks))

    try:
        top = white_of(low, high, is_whole, white=white)
    except PfiqError as error:
        raise PfiqError(f"has pixels from {low:g} to {high:g}, {error}; save it with 8 bits per channel.") from error
    return lambda a, b: np.rint(rows(a, b).astype(np.float32) * (255 / top)).astype(np.uint8)


def _is_whole(pixels: np.ndarray, white: int | None) -> bool:
    """Whether all pixels are whole grey levels of 8 bits."""
    if white is None:
        return bool((pixels == np.rint(pixels)).all())
    return white % 255 == 0 and not (pixels % (white // 255)).any()


def _blocks(height: int, width: int) -> list[tuple[int, int]]:
    """First and last row of each block of about ``BLOCK`` pixels."""
    step = max(1, BLOCK // width)
    return [(first, min(first + step, height)) for first in range(0, height, step)]


def _whole(rows: Rows, height: int, width: int) -> RGB:
    """All rows, of grey levels or RGB."""
    pixels = np.empty((height, width, 3), np.uint8)
    for first, last in _blocks(height, width):
        block = rows(first, last)
        pixels[first:last] = block[..., None] if block.ndim == 2 else block
    return pixels


def _as_rgb(image: Image.Image) -> np.ndarray:
    if "transparency" in image.info:
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB"))


def _has_more(image: ImageFile.ImageFile) -> bool:
    """Whether there is a second frame or page. The image cannot be used afterwards."""
    try:
        image.seek(1)
    except Exception:  # for a damaged second frame Pillow raises exceptions of almost any class
        return False
    return image.format in FRAMES


def _orientation_of(image: Image.Image) -> int:
    """The EXIF tag Orientation; 1 (not turned) if it cannot be read."""
    if image.format == "TIFF":  # every version of Pillow has turned it already, but some keep the tag
        return 1
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # for damaged EXIF Pillow raises exceptions of almost any class
        return 1
