"""Netpbm files of grey levels or colours (PGM, PPM), in text or binary, and of black and white (PBM) in text.

Pillow takes seconds per megabyte for files in text or with a largest value other than 255, and does not return it.
"""

import re

import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.limits import DAMAGED, TRUNCATED, check_pixels

_BREAK = rb"(?:\s|#[^\r\n]*[\r\n])"
HEADER = re.compile(rb"P([2356])" + rb"%b+([0-9]{1,9})" % _BREAK * 3 + rb"\s")
HEADER_OF_BITS = re.compile(rb"P(1)" + rb"%b+([0-9]{1,9})" % _BREAK * 2 + rb"\s")
NOT_BITS = re.compile(rb"[^\s01]")
COMMENT = re.compile(rb"#[^\r\n]*")
NOT_NUMBERS = re.compile(rb"[^\s0-9]|[0-9]{6}")


def read_netpbm(data: bytes) -> tuple[np.ndarray, int] | None:
    """The pixels and the value of white of a PGM, PPM or plain PBM file; None for other files.

    Args:
        data: the file.

    Returns:
        (height, width) or (height, width, 3), and white, as the file states it.

    Raises:
        PfiqError: for a file that is damaged, truncated or too large. Its text is only the reason.
    """
    header = HEADER.match(data) or HEADER_OF_BITS.match(data)
    if not header:
        return None
    kind, width, height, white = (int(each) for each in (*header.groups(), 1)[:4])
    if not (width and height and 0 < white < 2**16):
        raise PfiqError(DAMAGED)
    check_pixels(width, height)
    shape = (height, width, 3) if kind in (3, 6) else (height, width)
    count = int(np.prod(shape))
    dtype = np.dtype(np.uint8 if white < 256 else ">u2")
    if kind in (5, 6):
        body = memoryview(data)[header.end() :]
        if len(body) < count * dtype.itemsize:
            raise PfiqError(TRUNCATED)
        pixels = np.frombuffer(body, dtype, count)
    else:
        text = COMMENT.sub(b"", data[header.end() :]) if b"#" in data else data[header.end() :]
        if (NOT_BITS if kind == 1 else NOT_NUMBERS).search(text):
            raise PfiqError(DAMAGED)
        if kind == 1:  # ones are black, and need no space between them
            pixels = np.frombuffer(b"".join(text.split())[:count], np.uint8) == ord("0")
        else:
            pixels = np.fromstring(text, np.int32, sep=" ")[:count]
        if len(pixels) < count:
            raise PfiqError(TRUNCATED)
    return pixels.reshape(shape), white
