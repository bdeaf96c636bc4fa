"""Ranges of pixels, metadata, truncation and limits of image files, in every format that holds them."""

import io
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from pfiq_jax import PfiqError
from pfiq_jax.faces import limits
from pfiq_jax.faces.decoding import decode
from tests.faces import odd_pictures
from tests.faces.odd_pictures import chunk, exif, many_scans, tiff

WIDE = np.random.default_rng(0).integers(0, 65536, (37, 29, 4), dtype=np.uint16)
NOISE = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)


def rgb(data: bytes) -> np.ndarray:
    return decode(data, lambda pixels: None).pixels


def encoded(pixels: np.ndarray | Image.Image, name: str, **options) -> bytes:
    data = io.BytesIO()
    (Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels).save(data, name, **options)
    return data.getvalue()


def ppm(pixels: np.ndarray, white: int) -> bytes:
    kind = {1: 5, 3: 6}[pixels.shape[2]]
    header = f"P{kind} {pixels.shape[1]} {pixels.shape[0]} {white}\n".encode()
    return header + pixels.astype(np.uint8 if white < 256 else ">u2").tobytes()


def in_text(pixels: np.ndarray, white: int) -> bytes:
    header = f"P3\n# a comment\n{pixels.shape[1]} {pixels.shape[0]}\n{white}\n"
    return (header + " ".join(map(str, pixels.ravel().tolist()))).encode()


WRITERS = {
    "png grey": lambda pixels: odd_pictures.png(pixels[..., :1]),
    "png grey alpha": lambda pixels: odd_pictures.png(pixels[..., :2]),
    "png rgb": lambda pixels: odd_pictures.png(pixels[..., :3]),
    "png rgba": lambda pixels: odd_pictures.png(pixels),
    "png interlaced": lambda pixels: odd_pictures.png(pixels[..., :3], interlaced=True),
    "tiff grey": lambda pixels: tiff(pixels[..., :1]),
    "tiff rgb": lambda pixels: tiff(pixels[..., :3]),
    "tiff rgb big-endian": lambda pixels: tiff(pixels[..., :3], order=">"),
    "tiff rgba deflate": lambda pixels: tiff(pixels, deflate=True),
    "tiff rgb big-endian deflate": lambda pixels: tiff(pixels[..., :3], order=">", deflate=True),
    "pgm": lambda pixels: ppm(pixels[..., :1], 65535),
    "ppm": lambda pixels: ppm(pixels[..., :3], 65535),
    "ppm in text": lambda pixels: in_text(pixels[..., :3], 65535),
}
writers = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


@writers
def test_16_bit_channels_are_divided_by_257_and_not_cut(write):
    wanted = np.rint(WIDE[..., :3] / 257)
    grey = write(WIDE) in [WRITERS[name](WIDE) for name in ("png grey", "png grey alpha", "tiff grey", "pgm")]
    np.testing.assert_array_equal(rgb(write(WIDE)), np.repeat(wanted[..., :1], 3, -1) if grey else wanted)


@writers
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_fewer_bits_in_a_16_bit_file_are_refused(write, bits):
    """Scaled as 16-bit pixels they are black, or dark."""
    narrow = WIDE >> (16 - bits)
    narrow[..., 3] = 65535  # opaque
    with pytest.raises(PfiqError, match=rf"has pixels from .*, {bits}-bit values, too dark .* save it with 8 bits"):
        rgb(write(narrow))


@writers
def test_dark_8_bit_pixels_in_16_bits_are_as_dark_as_in_8_bits(write):
    dark = (WIDE >> 12) * 257  # up to 15 of 255
    assert rgb(write(dark)).max() == 15


def test_netpbm_files_are_scaled_by_their_largest_value():
    for white in (15, 100, 255, 1023, 65535):
        pixels = (WIDE[..., :3] % np.uint32(white + 1)).astype(np.uint16)
        pixels[0, 0] = white
        wanted = np.rint(pixels.astype(np.float32) * (255 / white))
        np.testing.assert_array_equal(rgb(ppm(pixels, white)), wanted)
        np.testing.assert_array_equal(rgb(in_text(pixels, white)), wanted)


@pytest.mark.parametrize("deflate", [False, True])
def test_wide_channels_in_separate_planes_are_refused(deflate):
    """Pillow reads other pixels."""
    with pytest.raises(PfiqError, match="more than 8 bits in separate planes; save it with 8 bits"):
        rgb(tiff(WIDE[..., :3], planar=True, deflate=deflate))


@pytest.mark.parametrize(
    ("low", "high", "reason"),
    [
        (0, 1.02, "scaled to 0..1 with an overshoot"),  # a resize's
        (-0.02, 1.02, "without their mean, or standardised"),
        (-2.1, 2.6, "without their mean, or standardised"),
        (-1, 1, "scaled to -1..1"),
        (-127.5, 127.5, "without their mean, or standardised"),
        (-3, 255, r"outside 0\.\.255"),
        (0, 65535, r"outside 0\.\.255"),
    ],
)
def test_floats_in_a_range_that_cannot_be_meant(low, high, reason):
    pixels = np.linspace(low, high, 144, dtype=np.float32).reshape(12, 12)
    with pytest.raises(PfiqError, match=rf"has pixels from .* to .*, .*{reason}; save it with 8 bits"):
        rgb(encoded(pixels, "TIFF"))


def test_black_floats_are_black():
    for brightest in (0, 2, 3):
        pixels = np.full((8, 8), brightest, np.float32)
        assert (rgb(encoded(pixels, "TIFF")) == brightest).all()


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_odd_exif_leaves_the_orientation(orientation, name):
    """Pillow cannot write this resolution, and so does not turn the image."""
    image = Image.new("RGB", (16, 8), "red")
    image.paste("blue", (0, 0, 8, 8))
    turned = rgb(encoded(image, name, exif=exif(orientation, (-1, 0)), **({"quality": 100} if name == "JPEG" else {})))
    assert turned.shape[:2] == ((16, 8) if orientation == 6 else (8, 16))
    corner = {1: "blue", 3: "red", 6: "blue"}[orientation]
    assert turned[1, 1].argmax() == {"red": 0, "blue": 2}[corner]


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_tiff_with_an_odd_resolution_is_turned_once(orientation):
    turned = rgb(tiff(NOISE, orientation=orientation))
    np.testing.assert_array_equal(turned, {1: NOISE, 3: NOISE[::-1, ::-1], 6: np.rot90(NOISE, -1)}[orientation])


@pytest.mark.parametrize("damage", [b"", b"II*\0\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40])
def test_unreadable_exif_leaves_the_pixels_as_stored(damage):
    data = odd_pictures.png(NOISE, extra=chunk(b"eXIf", damage))
    np.testing.assert_array_equal(rgb(data), NOISE)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP", b"tEXt", b"spAL"])
def test_png_with_metadata_over_1_mb(kind):
    text = zlib.compress(bytes(2 * 10**6))
    content = {
        b"zTXt": b"Comment\0\0" + text,
        b"iTXt": b"Comment\0\1\0\0\0" + text,
        b"iCCP": b"profile\0\0" + text,
        b"tEXt": b"Comment\0" + bytes(2 * 10**6),
        b"spAL": b"junk",
    }[kind]
    np.testing.assert_array_equal(rgb(odd_pictures.png(NOISE, extra=chunk(kind, content))), NOISE)


def test_orientation_in_the_texts_of_a_png():
    """Where ImageMagick puts it."""
    profile = exif(6, (1, 1))
    text = f"\nexif\n{len(profile):8d}\n{profile.hex()}\n".encode()
    data = odd_pictures.png(NOISE, extra=chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)))
    np.testing.assert_array_equal(rgb(data), np.rot90(NOISE, -1))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [0, 1, 36])
def test_png_whose_pixels_end_early(channels, rows):
    """Pillow leaves the rest black."""
    with pytest.raises(PfiqError, match="is truncated, its pixels end early; copy it again"):
        rgb(odd_pictures.png(WIDE[..., :channels], rows=rows))


def test_interlaced_and_narrow_pngs_are_whole():
    for size in ((1, 1), (2, 3), (5, 1), (9, 17)):
        pixels = NOISE[: size[0], : size[1]]
        np.testing.assert_array_equal(rgb(odd_pictures.png(pixels, interlaced=True)), pixels)
        for colours in (2, 4, 16):
            palette = Image.fromarray(pixels).quantize(colours)
            np.testing.assert_array_equal(rgb(encoded(palette, "PNG")), np.asarray(palette.convert("RGB")))


JPEGS = {
    "jpeg": {},
    "jpeg with restarts": {"restart_marker_rows": 1},
    "jpeg without subsampling": {"subsampling": 0},
}


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_whose_pixels_end_early_before_its_end_marker(options, mode):
    whole = encoded(Image.fromarray(NOISE).convert(mode), "JPEG", **options)
    for share in (0.5, 0.9):
        with pytest.raises(PfiqError, match="is truncated, its pixels end early"):
            rgb(whole[: int(share * len(whole))] + b"\xff\xd9")


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_with_a_grey_border_is_whole(mode):
    framed = NOISE.copy()
    framed[32:] = 128
    assert rgb(encoded(Image.fromarray(framed).convert(mode), "JPEG")).shape == framed.shape


FORMATS = {
    "jpeg": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True}),
    "webp": ("WEBP", {}),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {}),
    "tiff lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "tiff jpeg": ("TIFF", {"compression": "jpeg"}),
    "gif": ("GIF", {}),
    "ppm": ("PPM", {}),
    "jpeg2000": ("JPEG2000", {}),
    "png": ("PNG", {}),
}


@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # Pillow's, of metadata
@pytest.mark.parametrize(("name", "options"), FORMATS.values(), ids=FORMATS)
def test_no_format_is_scored_after_half_of_its_file(name, options):
    whole = encoded(NOISE, name, **options)
    rgb(whole)
    for share in (0.5, 0.95):
        with pytest.raises((PfiqError, OSError, SyntaxError), match=r"(?i)truncated|identify|decod|broken|fail|read"):
            rgb(whole[: int(share * len(whole))])


def test_jpeg_of_many_scans():
    """600 scans of a large image take 44 s."""
    jpeg = encoded(Image.new("L", (2000, 2000), 100), "JPEG", progressive=True)
    assert rgb(many_scans(jpeg, 60)).shape == (2000, 2000, 3)
    with pytest.raises(PfiqError, match="has 600 scans of 4,000,000 pixels, which are slow to decode; save it as"):
        rgb(many_scans(jpeg, 600))


def test_megabytes_of_comments_in_a_ppm():
    """Pillow takes quadratic time for them."""
    comments = b"# a comment\n" * 10**5
    data = in_text(NOISE, 255)
    started = time.perf_counter()
    for place in (b"P3\n", b"\n255\n"):
        at = data.index(place) + len(place)
        np.testing.assert_array_equal(rgb(data[:at] + comments + data[at:]), NOISE)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("space", ["", " ", "\n# a comment\n"])
def test_black_and_white_in_text(space):
    bits = NOISE[..., 0] > 99
    text = f"P1\n48 64\n{space.join('01'[not bit] for bit in bits.ravel())}\n"
    np.testing.assert_array_equal(rgb(text.encode()), np.repeat(bits[..., None] * np.uint8(255), 3, -1))


@pytest.mark.parametrize("junk", [b"x", b"-1", b"999999", b"256"])
def test_damaged_ppm_in_text(junk):
    with pytest.raises(PfiqError, match=r"is damaged|outside 0\.\.255"):
        rgb(in_text(NOISE, 255)[:-4] + b" " + junk + b" 1 1 1 1")


def test_large_jpeg_2000_files_are_refused(monkeypatch):
    data = encoded(NOISE, "JPEG2000")
    monkeypatch.setattr(limits, "MAX_JPEG2000_BYTES", len(data) - 1)
    with pytest.raises(PfiqError, match=r"bytes, more than .* for JPEG 2000; save it as a PNG"):
        rgb(data)


def test_png_of_many_chunks():
    """They are parsed one by one."""
    whole = odd_pictures.png(NOISE, extra=chunk(b"IDAT", b"") * 10**5)
    with pytest.raises(PfiqError, match="has more than 100,000 chunks; save it again"):
        rgb(whole)


def test_decoding_ends_after_some_seconds(monkeypatch):
    monkeypatch.setattr(limits, "MAX_SECONDS", -1)
    with pytest.raises(PfiqError, match="takes more than -1 s to decode; save it as"):
        rgb(encoded(NOISE, "GIF"))
