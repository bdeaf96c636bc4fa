import io
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pfiq_jax import PfiqError
from pfiq_jax.faces import Face, faces_or_error, limits, read_image
from pfiq_jax.faces.image_files import with_image
from pfiq_jax.faces.truncation import ends_early
from tests.faces import odd_pictures

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
GREY = RGB[..., 0]


def read(tmp_path, image: Image.Image, name="face.png", **options):
    image.save(tmp_path / name, **options)
    return read_image(tmp_path / name)


def as_rgb(grey):
    return np.repeat(grey[..., None], 3, -1)


def test_rgb(tmp_path):
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(RGB)), RGB)


@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".jp2", ".jpg", ".png", ".ppm", ".tiff", ".webp"])
def test_every_format(tmp_path, suffix):
    smooth = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    image = read(tmp_path, Image.fromarray(smooth), f"face{suffix}")
    np.testing.assert_allclose(image.astype(int), smooth, atol=3)


def test_grey(tmp_path):
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(GREY)), as_rgb(GREY))


@pytest.mark.parametrize("name", ["face.png", "face.tiff", "face.ppm"])
def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path, name):
    image = read(tmp_path, Image.fromarray(GREY.astype(np.uint16) * 257), name)
    np.testing.assert_array_equal(image, as_rgb(GREY))


def test_big_endian_16_bit_grey(tmp_path):
    image = read(tmp_path, Image.fromarray((GREY.astype(np.uint16) * 257).astype(">u2")), "face.tiff")
    np.testing.assert_array_equal(image, as_rgb(GREY))


def test_16_bit_rgb(tmp_path):
    """Pillow writes none: a PPM by hand."""
    (tmp_path / "face.ppm").write_bytes(b"P6 5 6 65535\n" + (RGB.astype(">u2") * 257).tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "face.ppm"), RGB)


@pytest.mark.parametrize(
    ("name", "dtype"), [("face.png", np.uint16), ("face.tiff", np.uint16), ("face.tiff", np.int32)]
)
def test_8_bit_pixels_in_wider_integers(tmp_path, name, dtype):
    """Scaled as 16-bit pixels they would be black."""
    with pytest.raises(PfiqError, match=rf"{name}: has pixels from 0 to 255, .*; save it with 8 bits per channel"):
        read(tmp_path, Image.fromarray(np.arange(256).astype(dtype).reshape(16, 16)), name)


@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_floating_point(tmp_path, scale):
    image = read(tmp_path, Image.fromarray(GREY.astype(np.float32) * np.float32(scale)), "face.tiff")
    np.testing.assert_array_equal(image, as_rgb(GREY))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1, 1000])
def test_floating_point_out_of_range(tmp_path, bad):
    pixels = GREY.astype(np.float32)
    pixels[0, 0] = bad
    with pytest.raises(PfiqError, match=r"face\.tiff: has pixels from .* save it with 8 bits"):
        read(tmp_path, Image.fromarray(pixels), "face.tiff")


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped(tmp_path, mode):
    image = Image.fromarray(RGB).convert(mode)
    opaque = np.asarray(image.convert("RGB"))
    image.putalpha(0)
    np.testing.assert_array_equal(read(tmp_path, image), opaque)


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(30))])
def test_palette(tmp_path, transparency):
    image = Image.fromarray(RGB).quantize(30)
    options = {} if transparency is None else {"transparency": transparency}
    np.testing.assert_array_equal(read(tmp_path, image, **options), np.asarray(image.convert("RGB")))


def test_cmyk(tmp_path):
    flat = Image.new("RGB", (16, 16), (200, 100, 50))
    np.testing.assert_allclose(read(tmp_path, flat.convert("CMYK"), "face.jpg").astype(int), np.asarray(flat), atol=3)


def test_black_and_white(tmp_path):
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(GREY > 127)), as_rgb((GREY > 127) * np.uint8(255)))


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_first_frame_of_an_animation(tmp_path, suffix):
    white, black = Image.new("RGB", (8, 8), "white"), Image.new("RGB", (8, 8))
    assert (read(tmp_path, white, f"face{suffix}", save_all=True, append_images=[black]) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud, 5: lambda x: x.swapaxes(0, 1)}
    undo |= {6: lambda x: np.rot90(x, -1), 7: lambda x: np.rot90(x, 2).swapaxes(0, 1), 8: np.rot90}
    wanted = undo.get(orientation, np.asarray)(RGB)
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(RGB), exif=exif), wanted)


def png() -> bytes:
    data = io.BytesIO()
    Image.fromarray(RGB).save(data, "PNG")
    return data.getvalue()


def jpeg() -> bytes:
    data = io.BytesIO()
    Image.fromarray(RGB).resize((64, 64)).save(data, "JPEG", exif=Image.Exif())
    return data.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"this is text", "is damaged, or not an image"),
        (png()[:60], "is truncated, its pixels end early"),
        (jpeg()[:-200], "is truncated, its pixels end early"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is damaged, or not an image"),
    ],
    ids=["empty", "text", "truncated png", "truncated jpeg", "eps"],
)
def test_bad_content(tmp_path, content, reason):
    (tmp_path / "face.png").write_bytes(content)
    with pytest.raises(PfiqError, match=rf"face\.png: {reason}.*; (give a JPEG, PNG|copy it again)"):
        read_image(tmp_path / "face.png")


@pytest.mark.parametrize("limit", [29, 14, 7])
def test_too_many_pixels(tmp_path, monkeypatch, limit):
    """Above Pillow's limit it warns, above twice that it raises."""
    monkeypatch.setattr(limits, "MAX_PIXELS", limit)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2 * limit)
    with pytest.raises(PfiqError, match=r"face\.png: has .* pixels.*; shrink it"):
        read(tmp_path, Image.fromarray(RGB))


WHOLE = {
    "webp": ("WEBP", {}),
    "webp with exif": ("WEBP", {"exif": odd_pictures.exif(6, (1, 1)), "lossless": True}),
    "animated webp": ("WEBP", {"save_all": True, "append_images": [Image.new("RGB", (20, 30))]}),
    "jp2": ("JPEG2000", {}),
    "codestream": ("JPEG2000", {"no_jp2": True}),
    "avif": ("AVIF", {}),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}),
}


@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # Pillow's, of metadata
@pytest.mark.parametrize(("name", "options"), WHOLE.values(), ids=WHOLE)
def test_files_that_end_early_are_called_truncated(tmp_path, name, options):
    """Some decoders give no reason, but the length is in the file."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8))
    data = io.BytesIO()
    image.save(data, name, **options)
    for share in (0.3, 0.5, 0.9):
        (tmp_path / "face").write_bytes(data.getvalue()[: int(share * len(data.getvalue()))])
        with pytest.raises(PfiqError, match=r"face: is truncated, its pixels end early; copy it again in whole\.$"):
            read_image(tmp_path / "face")


def test_boxes_of_any_length():
    """As in JPEG 2000 and AVIF files: with a long size, or up to the end of the file."""
    start = b"\0\0\0\x14ftypavif" + bytes(8)
    long = start + b"\0\0\0\1mdat" + (26).to_bytes(8) + bytes(10)
    assert not ends_early(long)
    assert ends_early(long[:-1])
    assert not ends_early(start + b"\0\0\0\0mdat" + bytes(10))
    assert ends_early(start + b"\0\0\0\0jp2c" + bytes(10))
    assert not ends_early(start + b"\0\0\0\0jp2c" + bytes(10) + b"\xff\xd9")
    assert not ends_early(start + b"\0\0\0\2mdat" + bytes(30))  # damaged, but long enough
    assert not ends_early(b"")


def test_no_file_to_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reasons = {"none.png": "no such file", "pipe": "no such file", "x" * 300: "cannot be read (File name too long)"}
    for name, reason in reasons.items():
        with pytest.raises(PfiqError, match=re.escape(f"{name}: {reason}; give an image file.")):
            read_image(tmp_path / name)
    for reason in ("contains no images", "is a folder"):
        with pytest.raises(PfiqError, match=f"{tmp_path.name}: {reason}; give image files"):
            read_image(tmp_path)
        (tmp_path / "face.png").touch()


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    """Root may read everything, hence not by permissions."""

    def refuse(*_):
        raise PermissionError

    (tmp_path / "face.png").write_bytes(png())
    for step in ("open", "is_file"):  # is_file fails in a folder that may not be read
        with monkeypatch.context() as patch:
            patch.setattr(f"pathlib.Path.{step}", refuse)
            with pytest.raises(PfiqError, match=r"face\.png: may not be read; change its permissions"):
                read_image(tmp_path / "face.png")


def test_a_file_that_vanishes_while_it_is_decoded(tmp_path, monkeypatch):
    """It costs its own row, not the run."""

    def vanish(data, reserve):
        (tmp_path / "face.png").unlink()
        raise OSError("image file is truncated")

    (tmp_path / "face.png").write_bytes(png())
    monkeypatch.setattr("pfiq_jax.faces.image_files.decode", vanish)
    (face,) = faces_or_error(tmp_path / "face.png", lambda path: [Face(read_image(path), resized=False)])
    assert re.search(r"face\.png: is truncated, .*; copy it again", str(face))
    monkeypatch.setattr("pathlib.Path.is_file", lambda path: True)  # it vanishes before it is opened
    with pytest.raises(PfiqError, match=r"face\.png: no such file; give an image file"):
        read_image(tmp_path / "face.png")


def test_whatever_goes_wrong_with_a_file_is_its_row(tmp_path):
    def read(path):
        raise ZeroDivisionError("x" * 1000)

    assert re.fullmatch(
        r"a\.png: cannot be used \(ZeroDivisionError: x{100}\); give another file\.",
        str(*faces_or_error(Path("a.png"), read)),
    )


def test_a_sparse_file_of_gigabytes_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "face.gif").open("wb") as file:
        file.write(b"GIF89a")
        file.truncate(5 * 2**30)
    with pytest.raises(PfiqError, match=r"face\.gif: has 5,368,709,120 bytes, more than 268,435,456; shrink it"):
        read_image(tmp_path / "face.gif")


def test_pixels_in_flight_are_limited(tmp_path, monkeypatch):
    """Also while an image is aligned or resized, until its reader returns."""
    Image.fromarray(RGB).save(tmp_path / "face.png")
    monkeypatch.setattr(limits, "PIXELS_IN_FLIGHT", limits.Budget(70))  # two of 30 pixels
    together, most = [], []

    def use(image):
        together.append(image)
        most.append(len(together))
        time.sleep(0.01)
        together.pop()

    with ThreadPoolExecutor(6) as pool:
        for each in [pool.submit(with_image, tmp_path / "face.png", use) for _ in range(24)]:
            each.result()
    assert max(most) == 2


def test_an_image_larger_than_the_budget_is_read_alone():
    budget = limits.Budget(10)
    with ThreadPoolExecutor(1) as pool:
        with budget.take(100):
            other = pool.submit(lambda: budget.take(1).__enter__())
            time.sleep(0.05)
            assert not other.done()
        other.result(timeout=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(whole=st.sampled_from([png(), jpeg()]), data=st.data())
@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # Pillow's, of metadata
def test_damaged_files_are_read_or_refused(tmp_path, whole, data):
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 5)) if damaged else 0):
        damaged[data.draw(st.integers(0, min(len(damaged), 200) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "face").write_bytes(damaged)
    (face,) = faces_or_error(tmp_path / "face", lambda path: [Face(read_image(path), resized=False)])
    assert (
        str(face).startswith(f"{tmp_path / 'face'}: ") if isinstance(face, PfiqError) else face.image.dtype == np.uint8
    )
