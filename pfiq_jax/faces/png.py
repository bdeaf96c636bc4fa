"""PNG files: their pixels without the metadata, after a check that all pixels exist."""

import zlib
from collections.abc import Iterable

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.limits import MAX_PNG_CHUNKS, TRUNCATED, check_pixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ESSENTIAL = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")
ORIENTATION_TEXTS = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
SHORT = 64 * 2**10  # bytes of a text that may hold an orientation
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
STEP = 2**20  # bytes that are inflated at a time


def without_metadata(data: bytes) -> bytes:
    """A PNG file without colour profiles, texts and further frames. If these are large, Pillow refuses a file.

    The pixels are checked here, because Pillow does not report compressed pixels that end early: it fills the rest with
    black.

    Args:
        data: the file.

    Raises:
        PfiqError: if there are too many pixels or chunks, or if they end early. Its text is only the reason.
    """
    kept, pixels, header = [data[:8]], [], b""
    at, count = 8, 0
    while at + 8 <= len(data):
        count += 1
        if count > MAX_PNG_CHUNKS:
            raise PfiqError(f"has more than {MAX_PNG_CHUNKS:,} chunks; save it again.")
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        content = memoryview(data)[at + 8 : at + 8 + length]
        end = at + 12 + length
        is_short_text = kind in (b"zTXt", b"iTXt", b"tEXt") and length <= SHORT
        if kind in ESSENTIAL or (is_short_text and bytes(content[:22]).startswith(ORIENTATION_TEXTS)):
            kept.append(data[at:end])
        if kind == b"IDAT":
            pixels.append(content)
        header = header or (bytes(content) if kind == b"IHDR" else b"")
        at = end
        if kind == b"IEND":
            break
    needed = _pixel_bytes(header)
    if _inflated_bytes(pixels, needed) < needed:
        raise PfiqError(TRUNCATED)
    return b"".join(kept)


def has_frames(data: bytes) -> bool:
    """Whether a PNG file is an animation of more than one frame."""
    control = data.find(b"acTL", 0, max(data.find(b"IDAT"), 0))
    return control >= 0 and int.from_bytes(data[control + 4 : control + 8]) > 1


def _pixel_bytes(header: bytes) -> int:
    """The number of bytes of the pixels without compression; 0 for a header that Pillow refuses."""
    width, height, depth, colour = (int.from_bytes(header[a:b]) for a, b in ((0, 4), (4, 8), (8, 9), (9, 10)))
    if len(header) < 13 or colour not in CHANNELS:
        return 0
    check_pixels(width, height)
    bits = depth * CHANNELS[colour]
    passes = ADAM7 if header[12] else ((0, 0, 1, 1),)
    sizes = [((width - x + dx - 1) // dx, (height - y + dy - 1) // dy) for x, y, dx, dy in passes]
    return sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns > 0)


def _inflated_bytes(pieces: Iterable[memoryview], limit: int) -> int:
    """The number of bytes after decompression, counted up to ``limit``."""
    inflater, total = zlib.decompressobj(), 0
    for piece in pieces:
        rest: bytes | memoryview = piece
        while len(rest) and total < limit:
            try:
                total += len(inflater.decompress(rest, STEP))
            except zlib.error:
                return total
            rest = inflater.unconsumed_tail
    return total
