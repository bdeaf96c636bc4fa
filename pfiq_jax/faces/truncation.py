"""Whether a file is shorter than it states, for formats whose decoders do not report it."""

from typing import Literal

JP2_START = b"\0\0\0\x0cjP  "
CODESTREAM_START, CODESTREAM_END = b"\xff\x4f\xff\x51", b"\xff\xd9"  # of JPEG 2000
TIFF_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}


def ends_early(data: bytes) -> bool:
    """Whether a WebP, JPEG 2000, AVIF or TIFF file states that it is longer; False for all other files."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return 8 + int.from_bytes(data[4:8], "little") > len(data)
    if data.startswith(JP2_START) or data[4:8] == b"ftyp":
        return _boxes_end_early(data)
    if data.startswith(CODESTREAM_START):
        return not data.endswith(CODESTREAM_END)
    if order := TIFF_ORDERS.get(data[:4]):
        return _tags_end_early(data, order)
    return False


def _boxes_end_early(data: bytes) -> bool:
    """The check of JPEG 2000 and AVIF files, which consist of boxes.

    A box has a size in 4 bytes, a type in 4, perhaps a size in 8, and content.
    """
    at = 0
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if size == 0:  # up to the end of the file
            return kind == b"jp2c" and not data.endswith(CODESTREAM_END)
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        if size < 8:
            return len(data) - at < 16  # in the middle of a header
        at += size
    return at > len(data)


def _tags_end_early(data: bytes, order: Literal["little", "big"]) -> bool:
    """The check of a TIFF file's table of tags, which many programs write after the pixels.

    The table has the number of tags in 2 bytes, then 12 bytes per tag.
    """
    at = int.from_bytes(data[4:8], order)
    return at + 2 + 12 * int.from_bytes(data[at : at + 2], order) > len(data)
