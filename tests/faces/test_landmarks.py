"""The one check of landmarks: their order, unit and position."""

import csv

import numpy as np
import pytest
from PIL import Image

from pfiq_jax import PfiqError
from pfiq_jax.faces.landmarks import ORDER, check_landmarks
from pfiq_jax.faces.reading import ENLARGED, MOSTLY_OUTSIDE, TURNED, read_face
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE

TEMPLATE = np.array(ARCFACE_TEMPLATE)
SIZE = (400, 500)  # height, width
FACE = TEMPLATE * 2 + (200, 100)


@pytest.fixture(scope="module")
def detected(data) -> list[np.ndarray]:
    """Landmarks that detectors found in photographs, turned and enlarged at random."""
    found = []
    with (data / "lfw_photos/opencv_faces.csv").open() as file:
        for row in csv.DictReader(file):
            found.append([[float(row[f"{axis}{point}"]) for axis in "xy"] for point in range(1, 6)])
    with (data / "faces/aligned112/landmarks.csv").open() as file:
        for row in csv.DictReader(file):
            found.append([[float(row[point + axis]) for axis in "xy"] for point in ("re", "le", "n", "rm", "lm")])
    assert len(found) == 297
    return [np.array(points) for points in found]


def test_no_right_landmarks_are_refused(detected):
    generator = np.random.default_rng(0)
    for points in detected:
        for turn in np.radians(range(0, 360, 30)):
            matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
            moved = (points - points.mean(0)) @ matrix * generator.uniform(0.2, 5)
            moved += generator.uniform(0, 500, 2) - moved.min(0)
            np.testing.assert_array_equal(check_landmarks(moved, (10_000, 10_000)), moved)


@pytest.mark.parametrize(
    ("order", "name"),
    [
        (lambda points: points.T.reshape(5, 2), "x1,...,x5,y1,...,y5"),
        (lambda points: points[:, ::-1].T.reshape(5, 2), "y1,...,y5,x1,...,x5"),
        (lambda points: points[[1, 0, 2, 4, 3]].T.reshape(5, 2), ""),
        (lambda points: points[:, ::-1], "y1,x1,...,y5,x5"),
        (lambda points: points[[1, 0, 2, 4, 3]], "left and right swapped"),
        (lambda points: points[[1, 0, 2, 3, 4]], "eyes swapped"),
        (lambda points: points[[0, 1, 2, 4, 3]], "corners of the mouth swapped"),
        (lambda points: points[[2, 0, 1, 3, 4]], "nose first"),
        (lambda points: points[[0, 1, 3, 4, 2]], "nose last"),
        (lambda points: points[[3, 4, 2, 0, 1]], "mouth before the eyes"),
        (lambda points: points[[0, 1, 4, 3, 2]], ""),
    ],
)
def test_landmarks_in_another_order_are_refused_with_the_likely_one(detected, order, name):
    named = 0
    for points in detected:
        with pytest.raises(PfiqError, match="not placed like those of a face") as caught:
            check_landmarks(order(points), (10_000, 10_000))
        assert ORDER in str(caught.value)
        assert len(str(caught.value)) < 250
        named += f"(likely order: {name}" in str(caught.value)
    assert named > 0.9 * len(detected)


@pytest.mark.parametrize(
    "landmarks",
    [FACE / SIZE[::-1], FACE / 500, FACE / SIZE[::-1] * 2 - 1, [(5.0, 5.0)] * 5],
    ids=["fractions", "of the longer side", "-1 to 1", "equal"],
)
def test_fractions_of_the_image_are_refused(landmarks):
    with pytest.raises(PfiqError, match=r"^landmarks lie within one pixel; give pixels of the image, not fractions"):
        check_landmarks(landmarks, SIZE)


@pytest.mark.parametrize("move", [lambda each: each * 2, lambda each: each - 300, lambda each: each * 1e6])
def test_landmarks_outside_of_the_image_are_refused(move):
    check_landmarks(FACE, SIZE)
    with pytest.raises(PfiqError, match=r"image \(500x400 pixels\) and may belong to a larger copy of it; give"):
        check_landmarks(move(FACE), SIZE)


def test_a_face_that_the_border_cuts_is_accepted():
    """Nose and mouth lie below the image, which a detector finds where a face looks down."""
    points = np.array(ARCFACE_TEMPLATE) + np.array((100.0, 400 - 75))
    points[2, 1] += 8
    assert (points[2:, 1] > 400).all()
    np.testing.assert_array_equal(check_landmarks(points, SIZE), points)


@pytest.mark.parametrize("landmarks", [[(float("nan"), 5.0), *ARCFACE_TEMPLATE[1:]], ARCFACE_TEMPLATE[:4], np.ones(10)])
def test_what_is_not_five_points_is_refused(landmarks):
    with pytest.raises(PfiqError, match=r"landmarks are .*; give five \(x, y\) points in pixels"):
        check_landmarks(landmarks, SIZE)


def test_a_crop_that_lies_mostly_outside_or_is_turned_or_tiny_has_a_warning(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(path)
    cases = {
        "inside": (FACE, ()),
        "at a corner": (TEMPLATE * 3 + (-100, -130), (MOSTLY_OUTSIDE,)),
        "of a thumbnail": (TEMPLATE / 10 + (20, 10), (ENLARGED,)),
        "upside down": (FACE[[4, 3, 2, 1, 0]], (TURNED,)),
    }
    for points, warnings in cases.values():
        assert read_face(path, (112, 112), tuple(map(tuple, points.tolist()))).warnings == warnings
