"""Pictures of every format, damaged: each becomes a face or one sentence, and good faces are not lost."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pfiq_jax import PfiqError
from pfiq_jax.faces import Face, faces_or_error, over_files, read_face
from tests.faces import odd_pictures
from tests.fuzz.fuzzing import Costs, check_sentence, damaged, fuzz, fuzz_less

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 16, 3), np.uint8)
WIDE = PIXELS.astype(np.uint16) * 257
SIZE = (112, 112)


def encoded(pixels: np.ndarray | Image.Image, name: str, **options) -> bytes:
    data = io.BytesIO()
    (Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels).save(data, name, **options)
    return data.getvalue()


def animated(name: str) -> bytes:
    frame = Image.fromarray(PIXELS)
    return encoded(frame, name, save_all=True, append_images=[frame.rotate(180)])


SEEDS = [
    encoded(PIXELS, "JPEG", exif=odd_pictures.exif(6, (-1, 0))),
    encoded(PIXELS, "JPEG", progressive=True, icc_profile=bytes(200)),
    encoded(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"),
    animated("MPO"),
    encoded(PIXELS, "PNG", exif=odd_pictures.exif(3, (1, 1))),
    encoded(Image.fromarray(PIXELS).quantize(16), "PNG", transparency=3),
    odd_pictures.png(WIDE, interlaced=True),
    animated("PNG"),
    encoded(PIXELS, "WEBP"),
    encoded(PIXELS, "WEBP", lossless=True, exif=odd_pictures.exif(6, (1, 1))),
    animated("WEBP"),
    encoded(PIXELS, "BMP"),
    encoded(Image.fromarray(PIXELS).quantize(16), "BMP"),
    encoded(PIXELS, "TIFF"),
    *(encoded(PIXELS, "TIFF", compression=each) for each in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
    encoded(Image.fromarray(PIXELS).convert("1"), "TIFF", compression="group4"),
    encoded(PIXELS[..., 0].astype(np.float32) / 255, "TIFF"),
    odd_pictures.tiff(WIDE, orientation=6),
    odd_pictures.tiff(PIXELS, planar=True, deflate=True),
    encoded(PIXELS, "GIF"),
    animated("GIF"),
    encoded(PIXELS, "PPM"),
    encoded(WIDE[..., 0], "PPM"),
    encoded(PIXELS[..., 0].astype(np.float32), "PPM"),
    encoded(Image.fromarray(PIXELS).convert("1"), "PPM"),
    b"P3 # text\n4 2 255\n" + b" 1 20 255 4" * 6,
    b"P1\n4 2\n0110 1001",
    encoded(PIXELS, "JPEG2000"),
    encoded(PIXELS, "JPEG2000", no_jp2=True, irreversible=True),
    encoded(PIXELS, "AVIF"),
]


def read(path: Path) -> list[Face]:
    return [read_face(path, SIZE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures")


@pytest.mark.parametrize("seed", SEEDS)
def test_undamaged_pictures_are_faces(folder, seed):
    (folder / "face").write_bytes(seed)
    (face,) = read(folder / "face")
    assert face.image.std() > 1


def check_picture(path: Path) -> None:
    """Reads a picture: it must become a face or a sentence."""
    with Costs():
        (face,) = faces_or_error(path, read)
    if isinstance(face, PfiqError):
        check_sentence(face, str(path))
        assert "cannot be used" not in str(face)  # an exception that nobody thought of
    else:
        assert (face.image.shape, face.image.dtype) == ((*SIZE, 3), np.uint8)


@pytest.mark.filterwarnings("ignore")  # Pillow's, of metadata and sizes
@fuzz
@given(damaged(SEEDS))
def test_a_damaged_picture_is_a_face_or_a_sentence(folder, content):
    (folder / "face").write_bytes(content)
    check_picture(folder / "face")


@pytest.mark.filterwarnings("ignore")
@fuzz_less
@given(st.lists(damaged(SEEDS), min_size=3, max_size=3))
def test_no_good_face_is_lost_between_damaged_ones(folder, contents):
    paths = [folder / str(number) for number in range(5)]
    good = encoded(PIXELS, "PNG")
    for path, content in zip(paths, (good, *contents, good), strict=True):
        path.write_bytes(content)
    rows = [row for batch in over_files(lambda images: images.mean((1, 2, 3)), paths, read) for row in batch]
    assert [path for path, _, _ in rows] == paths
    for path, face, mean in rows:
        if path in (paths[0], paths[-1]):
            assert isinstance(face, Face)
            assert mean == face.image.mean()
