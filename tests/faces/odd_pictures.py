"""Picture files that Pillow does not write, byte by byte."""

import struct
import zlib

import numpy as np

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of PNG, by number of channels
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def scanlines(pixels: np.ndarray, filter_type: int) -> bytes:
    """The rows as PNG filters them: 0 for none, 1 for the difference from the pixel on the left."""
    step = pixels.shape[2] * pixels.itemsize
    raw = np.frombuffer(pixels.tobytes(), np.uint8).reshape(len(pixels), -1)
    if filter_type == 1:
        raw = raw - np.pad(raw, ((0, 0), (step, 0)))[:, : raw.shape[1]]
    return np.pad(raw, ((0, 0), (1, 0)), constant_values=filter_type).tobytes()


def png(pixels: np.ndarray, *, extra: bytes = b"", interlaced: bool = False, rows: int | None = None) -> bytes:
    """A PNG file of (height, width, channels), uint8 or uint16, whose pixels end after some rows."""
    height, width, channels = pixels.shape
    pixels = pixels.astype(">u2") if pixels.dtype == np.uint16 else pixels
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, COLOUR_TYPES[channels], 0, 0, interlaced)
    passes = [pixels[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [pixels[:rows]]
    data = b"".join(scanlines(part, 1) for part in passes if part.size)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def tiff(
    pixels: np.ndarray, *, order: str = "<", deflate: bool = False, planar: bool = False, orientation: int = 1
) -> bytes:
    """A TIFF file of (height, width, channels), of any dtype, with a resolution of -1/0."""
    height, width, channels = pixels.shape
    planes = [pixels[..., index] for index in range(channels)] if planar else [pixels]
    raw = [plane.astype(pixels.dtype.newbyteorder(order)).tobytes() for plane in planes]
    strips = [zlib.compress(each) if deflate else each for each in raw]
    bits, kind = 8 * pixels.itemsize, {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    tags: dict[int, list[int]] = {
        256: [width],
        257: [height],
        258: [bits] * channels,
        259: [8 if deflate else 1],
        262: [2 if channels >= 3 else 1],
        273: [],
        274: [orientation],
        277: [channels],
        278: [height],
        279: [len(strip) for strip in strips],
        282: [2**32 - 1, 0],
        284: [2 if planar else 1],
        339: [kind] * channels,
    } | ({338: [2]} if channels == 4 else {})
    at = 8
    for strip in strips:
        tags[273].append(at)
        at += len(strip)
    directory, more = b"", b""
    start = at + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            packed, more = struct.pack(f"{order}I", start + len(more)), more + packed
        type_and_count = (10, 1) if tag == 282 else (4, len(values))
        directory += struct.pack(f"{order}HHI", tag, *type_and_count) + packed
    magic = b"II*\0" if order == "<" else b"MM\0*"
    content = b"".join(strips)
    count = struct.pack(f"{order}H", len(tags))
    return magic + struct.pack(f"{order}I", at) + content + count + directory + bytes(4) + more


def exif(orientation: int, resolution: tuple[int, int]) -> bytes:
    """EXIF with an orientation, and a resolution as a signed fraction."""
    short = struct.pack("<HHIHH", 274, 3, 1, orientation, 0)
    fraction = struct.pack("<HHII", 282, 10, 1, 38)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + short + fraction + bytes(4) + struct.pack("<ii", *resolution)


def many_scans(jpeg: bytes, count: int) -> bytes:
    """A progressive JPEG with its last scan repeated until there are so many."""
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + last * (count - jpeg.count(b"\xff\xda")) + b"\xff\xd9"
