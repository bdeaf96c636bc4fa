"""Photographs of any sizes, also turned ones, compared with OpenCV on the same pixels."""

import csv

import numpy as np
import pytest
from PIL import Image

from pfiq_jax import PfiqError, align, detect, find_faces
from pfiq_jax.detection.detect import fitted
from pfiq_jax.detection.suppression import MAX_FACES


@pytest.fixture(scope="module")
def raw(data):
    """Photographs of several sizes, with portraits, half faces and a group, RGB, by names."""
    folder = data / "faces" / "raw"
    paths = [path for path in sorted(folder.glob("*/*")) if path.suffix in (".jpg", ".jpeg", ".png")]
    return {str(path.relative_to(folder)): np.asarray(Image.open(path).convert("RGB")) for path in paths}


def rows_of(faces, index):
    """The valid faces of a photograph: box, landmarks and score per row."""
    columns = [faces.boxes[index], faces.landmarks[index].reshape(MAX_FACES, 10), faces.scores[index, :, None]]
    return np.concatenate(columns, 1)[faces.valid[index]]


@pytest.fixture(scope="module")
def of_photos(detector, photos):
    return find_faces(detector, list(photos.values()))


def test_the_same_faces_as_opencv_in_squares(of_photos, photos, data):
    with (data / "lfw_photos" / "opencv_faces.csv").open() as file:
        expected = {name: [] for name in photos}
        for row in list(csv.reader(file))[1:]:
            expected[row[0]].append(row[2:])
    assert of_photos.valid.sum() == 251
    for index, (name, rows) in enumerate(expected.items()):
        np.testing.assert_allclose(rows_of(of_photos, index), np.array(rows, float), atol=5e-3, err_msg=name)


@pytest.mark.parity
def test_the_same_faces_as_opencv_in_photographs_of_many_sizes(detector, raw, data, required):
    cv2 = required("cv2")
    model = str(data / "weights" / "yunet" / "face_detection_yunet_2023mar_int8bq.onnx")
    found = find_faces(detector, list(raw.values()))
    sizes, numbers = set(), []
    for index, (name, photo) in enumerate(raw.items()):
        height, width = fitted(photo.shape[:2])
        small = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0))
        opencv = cv2.FaceDetectorYN.create(model, "", (width, height), 0.6, 0.3)
        expected = opencv.detect(np.ascontiguousarray(small[..., ::-1]))[1].astype(np.float64)
        scale = np.array([photo.shape[1] / width, photo.shape[0] / height])
        expected[:, 2:4] *= scale
        points = expected[:, [0, 1, *range(4, 14)]].reshape(-1, 6, 2)
        expected[:, [0, 1, *range(4, 14)]] = ((points + 0.5) * scale - 0.5).reshape(-1, 12)
        rows = rows_of(found, index)
        assert len(rows) == len(expected), name
        np.testing.assert_allclose(rows[:, :-1] / scale.max(), expected[:, :-1] / scale.max(), atol=0.5, err_msg=name)
        np.testing.assert_allclose(rows[:, -1], expected[:, -1], atol=2e-3, err_msg=name)
        sizes.add(photo.shape)
        numbers.append(len(rows))
    assert len(sizes) > 10
    assert max(numbers) == 6


@pytest.mark.parametrize(("turns", "least"), [(1, 1.0), (2, 0.97), (3, 1.0)])
def test_turned_photographs(detector, photos, of_photos, turns, least):
    names = list(photos)[:40]
    found = find_faces(detector, [np.rot90(photos[name], turns) for name in names])
    right = 0
    for index in range(len(names)):
        x, y = of_photos.landmarks[index, 0].T
        expected = {1: (y, 249 - x), 2: (249 - x, 249 - y), 3: (249 - y, x)}[turns]
        right += np.abs(found.landmarks[index, 0] - np.stack(expected, -1)).max() < 3
    assert right >= least * len(names)


def test_boxes_are_turned_back_too(detector, photos):
    photo = np.pad(photos["Steffi_Graf_0001.jpg"], ((0, 20), (0, 100), (0, 0)))
    upright = find_faces(detector, [photo])
    left, top, width, height = upright.boxes[0, 0]
    turned = find_faces(detector, [np.rot90(photo)])
    np.testing.assert_allclose(turned.boxes[0, 0], [top, 349 - left - width, height, width], atol=1)
    assert turned.scores[0, 0] == upright.scores[0, 0]
    assert not turned.boxes[0, 1:].any()


def test_crops_come_from_the_photograph_itself(detector, raw):
    """Positions in 1080x1920 pixels, though the face was found in 360x640."""
    small, large = (raw[f"face_recognition/obama-{lines}p.jpg"] for lines in (480, 1080))
    found = find_faces(detector, [small, large])
    ratio = large.shape[1] / small.shape[1]
    np.testing.assert_allclose(found.landmarks[1, 0], (found.landmarks[0, 0] + 0.5) * ratio - 0.5, atol=3)
    crops = [align(photo, found.landmarks[index, 0]) for index, photo in enumerate((small, large))]
    assert np.abs(crops[0].astype(float) - crops[1]).mean() < 8


def test_a_mixture_without_faces(detector, photos):
    some = [np.zeros((33, 1, 3), np.uint8), photos["Steffi_Graf_0001.jpg"], np.full((900, 700, 3), 90, np.uint8)]
    found = find_faces(detector, some)
    np.testing.assert_array_equal(found.valid.sum(1), [0, 1, 0])
    alone = detect(detector, some[1])
    np.testing.assert_allclose(found.landmarks[1], alone.landmarks, atol=1e-2)
    assert find_faces(detector, []).landmarks.shape == (0, 64, 5, 2)


@pytest.mark.parametrize("photo", [np.zeros((2, 8, 8, 3), np.uint8), np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8)])
def test_what_is_no_photograph(detector, photo):
    with pytest.raises(PfiqError, match=r"photograph.* shape .*; give "):
        find_faces(detector, [photo])
