"""JPEG files: their number of scans, and whether their pixels end early."""

import re
from collections.abc import Iterator

START = b"\xff\xd8"
MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # in compressed data, 0xFF is followed by 0 or a restart
SCAN, END = 0xDA, 0xD9
MORE = b"\x55" * 256  # compressed data of some blocks


def count_scans(data: bytes) -> int:
    """Number of scans of the first image in a JPEG file; thumbnails in the metadata do not count."""
    return sum(kind == SCAN for kind, _ in _markers(data))


def with_more_data(data: bytes) -> bytes:
    """The file with more compressed data before its end. This changes pixels only if the data ended early."""
    end = next((at for kind, at in _markers(data) if kind == END), len(data))
    return data[:end] + MORE + data[end:]


def _markers(data: bytes) -> Iterator[tuple[int, int]]:
    """The kind and the position of each marker of the first image."""
    at = len(START)
    while found := MARKER.search(data, at):
        kind, at = found[1][0], found.end()
        yield kind, found.start()
        if kind == END:
            return
        at += int.from_bytes(data[at : at + 2])
