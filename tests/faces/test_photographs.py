import re

import numpy as np
import pytest
from PIL import Image

from pfiq_jax import PfiqError
from pfiq_jax.faces.photographs import NO_FACE, PLACE_COLUMNS, SMALL, overlap, place_of, read_photograph
from pfiq_jax.faces.reading import CUT, FIRST_FRAME, Found, read_face
from pfiq_jax.faces.records import Record
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE

SIZE = (112, 112)
TEMPLATE = np.array(ARCFACE_TEMPLATE)


def face(number: int, left: float, top: float, scale: float) -> Found:
    """A face whose crop is the square at (left, top) with sides of 112 pixels times the scale."""
    landmarks = tuple(map(tuple, (TEMPLATE * scale + (left, top)).tolist()))
    box = (left + 20.0 * scale, top + 10.0 * scale, 72.0 * scale, 95.0 * scale)
    return Found(number, box, landmarks, 1 - number / 10)


LARGE, CENTRAL, CORNER = face(1, 20, 30, 2), face(2, 250, 100, 1.5), face(3, 480, 300, 1.2)
SMALL_ONE = face(4, 300, 10, 0.5)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8)).save(path)
    return path


def numbers(faces):
    return [each.found.number for each in faces]


def test_which_faces_are_taken(photo):
    def find(image):
        return [LARGE, CENTRAL, CORNER]

    for which, wanted in (("all", [1, 2, 3]), ("largest", [1]), ("centre", [2])):
        assert numbers(read_photograph(photo, find, SIZE, which=which, crops=True)) == wanted


def test_a_face_is_aligned_where_it_was_found(photo):
    (found,) = read_photograph(photo, lambda image: [face(1, 100, 50, 1)], SIZE, which="all", crops=True)
    with Image.open(photo) as image:
        np.testing.assert_array_equal(found.image, np.asarray(image)[50:162, 100:212])
    assert (found.resized, found.warnings) == (False, (SMALL,))


def test_an_image_of_the_recognisers_size_is_a_crop_unless_faces_are_asked_for(tmp_path):
    Image.fromarray(np.full((112, 112, 3), 9, np.uint8)).save(tmp_path / "crop.png")
    asked = []

    def find(image):
        asked.append(image.shape)
        return [face(1, 0, 0, 1)]

    (crop,) = read_photograph(tmp_path / "crop.png", find, SIZE, which="all", crops=True)
    assert (crop.found, asked) == (None, [])
    (found,) = read_photograph(tmp_path / "crop.png", find, SIZE, which="all", crops=False)
    assert (found.found.number, asked) == (1, [(112, 112, 3)])


def test_no_face_is_one_sentence(photo):
    for which in ("all", "largest", "centre"):
        with pytest.raises(PfiqError, match=re.escape(f"{photo}: {NO_FACE}")):
            read_photograph(photo, lambda image: [], SIZE, which=which, crops=True)


def test_warnings_about_small_faces_and_those_at_the_border(photo):
    found = [LARGE, SMALL_ONE, CORNER, face(5, -100, 100, 2)]
    read = read_photograph(photo, lambda image: found, SIZE, which="all", crops=True)
    assert [each.warnings for each in read] == [(), (SMALL,), (CUT,), (CUT,)]


def test_a_face_that_cannot_be_aligned_does_not_cost_the_others(photo):
    broken = LARGE._replace(number=2, landmarks=((5.0, 5.0),) * 5)
    first, second, third = read_photograph(photo, lambda image: [LARGE, broken, CORNER], SIZE, which="all", crops=True)
    assert numbers([first, third]) == [1, 3]
    assert isinstance(second, PfiqError)
    assert str(second).startswith(f"{photo}: landmarks lie within one pixel")


def test_the_columns_of_a_place():
    place = place_of(face(3, 10, 20, 2))
    assert tuple(place) == PLACE_COLUMNS
    assert [place[name] for name in ("face", "left", "top", "width", "height")] == [3, 50, 40, 144, 190]
    assert place["detector_score"] == pytest.approx(0.7)
    assert place["eye_distance"] == pytest.approx(2 * np.hypot(*(TEMPLATE[1] - TEMPLATE[0])))
    np.testing.assert_allclose([place["x3"], place["y3"]], TEMPLATE[2] * 2 + (10, 20))


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_of_several_frames_the_first_is_used_with_a_word(tmp_path, suffix):
    path = tmp_path / f"moving.{suffix}"
    frames = [Image.fromarray(np.full((*SIZE, 3), level, np.uint8)) for level in (50, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    (crop,) = read_photograph(path, lambda image: [face(1, 0, 0, 1)], SIZE, which="all", crops=True)
    assert abs(crop.image.astype(int) - 50).max() <= 3
    assert crop.warnings == (FIRST_FRAME,)
    (found,) = read_photograph(path, lambda image: [face(1, 0, 0, 1)], SIZE, which="all", crops=False)
    assert found.warnings == (SMALL, FIRST_FRAME)
    assert read_face(path, (50, 50)).warnings == (FIRST_FRAME,)
    frames[0].save(path)
    assert read_face(path, SIZE).warnings == ()


def test_the_preview_in_a_jpeg_is_no_frame(tmp_path):
    """Telephones put depth maps and previews behind the photograph."""
    path = tmp_path / "photo.jpg"
    frames = [Image.fromarray(np.full((*SIZE, 3), level, np.uint8)) for level in (50, 200)]
    frames[0].save(path, "MPO", save_all=True, append_images=frames[1:])
    assert read_face(path, SIZE).warnings == ()


def test_the_face_in_a_box_is_the_one_that_overlaps_most(photo):
    record = Record("here", photo)

    def found_in(box):
        return numbers(read_photograph(record, lambda image: [LARGE, CENTRAL], SIZE, which=box, crops=False))

    left, top, width, height = CENTRAL.box
    assert found_in(CENTRAL.box) == [2]
    assert found_in((left + width / 4, top, width, height)) == [2]  # they share 3/5 of their union
    with pytest.raises(PfiqError, match=r"^here: no face was found where its box is; check that"):
        found_in((left + width * 0.6, top, width, height))  # 1/4
    assert overlap((0.0, 0.0, 2.0, 2.0), (1.0, 0.0, 2.0, 2.0)) == pytest.approx(1 / 3)
    assert overlap((0.0, 0.0, 2.0, 2.0), (2.0, 0.0, 2.0, 2.0)) == 0
