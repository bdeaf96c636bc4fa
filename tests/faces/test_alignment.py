import csv
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pfiq_jax import PfiqError, Preprocessing, Recognizer, SFace
from pfiq_jax.cli.inputs import reader_of
from pfiq_jax.faces import read_image
from pfiq_jax.faces.alignment import align
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE

TEMPLATE = np.array(ARCFACE_TEMPLATE)


def test_landmarks_on_the_template_leave_the_image_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    np.testing.assert_array_equal(align(image, ARCFACE_TEMPLATE), image)


def test_undoes_a_shift_and_is_black_outside():
    image = np.random.default_rng(0).integers(1, 256, (112, 112, 3), np.uint8)
    crop = align(image, TEMPLATE - (10, 20))
    np.testing.assert_array_equal(crop[20:, 10:], image[:-20, :-10])
    assert not crop[:20].any()
    assert not crop[:, :10].any()


@given(scale=st.floats(0.5, 1.5), turn=st.floats(-3, 3), x=st.floats(-20, 20), y=st.floats(-20, 20))
def test_any_similarity_is_undone(scale, turn, x, y):
    """A linear ramp survives bilinear sampling, so a crop of it tells where each of its pixels came from."""
    columns, rows = np.meshgrid(np.arange(112.0), np.arange(112.0))
    image = np.stack([columns, rows, 0 * rows], -1).astype(np.uint8)
    matrix = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    crop = align(image, (TEMPLATE - 56) @ matrix + (56 + x, 56 + y))
    wanted = (np.stack([columns, rows], -1) - 56) @ matrix + (56 + x, 56 + y)
    inside = ((wanted >= 0) & (wanted <= 111)).all(-1)
    assert np.abs(crop[..., :2][inside] - wanted[inside]).max(initial=0) <= 0.5 + 1e-3


@pytest.mark.parametrize("size", [(56, 56), (224, 224)])
def test_another_size_shows_the_same_face(size):
    rows = np.linspace(0, 255, 112)
    image = np.repeat(np.repeat(rows[:, None], 112, 1)[..., None], 3, -1).astype(np.uint8)
    crop = align(image, ARCFACE_TEMPLATE, size=size)
    assert crop.shape == (*size, 3)
    assert np.abs(crop[size[0] // 2, :-1] - image[56, 0].astype(int)).max() <= 1


def test_repeats_opencv(data):
    """The references were cut with cv2.warpAffine, which rounds coordinates to 1/32 pixel."""
    compared = 0
    with (data / "faces/aligned112/landmarks.csv").open() as file:
        for row in csv.DictReader(file):
            folder, name = row["path"].removesuffix(".png").split("/")
            photos = [photo for photo in (data / "faces/raw" / folder).iterdir() if photo.stem == name]
            photos = photos or list((data / "faces/raw" / folder).glob(re.sub(r"_face\d$", ".*", name)))
            if not photos:  # of the group picture, only the crops are there
                continue
            points = [[float(row[point + axis]) for axis in "xy"] for point in ("re", "le", "n", "rm", "lm")]
            crop = align(read_image(photos[0]), points).astype(int)
            difference = np.abs(crop - read_image(data / "faces/aligned112" / row["path"]))
            assert difference.max() <= 2, row["path"]
            assert difference.mean() < 0.1, row["path"]
            compared += 1
    assert compared >= 44


def test_checks_landmarks():
    for bad in ([(5.0, 5.0)] * 5, TEMPLATE[[1, 0, 2, 4, 3]]):
        with pytest.raises(PfiqError, match=r"landmarks .*; give"):
            align(np.zeros((112, 112, 3), np.uint8), bad)


def test_a_recognisers_template_reaches_the_crop(tmp_path):
    path = tmp_path / "a.png"
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(image).save(path)
    shifted = tuple((x + 5.0, y) for x, y in ARCFACE_TEMPLATE)
    landmarks = {str(path): tuple((x + 30.0, y + 40.0) for x, y in ARCFACE_TEMPLATE)}
    for template, left in ((None, 30), (ARCFACE_TEMPLATE, 30), (shifted, 25)):
        recognizer = Recognizer({}, SFace(), Preprocessing(template=template))
        (face,) = reader_of(recognizer, landmarks)(path)
        np.testing.assert_array_equal(face.image, image[40:152, left : left + 112])
        assert not face.resized
