"""Detection, compared with OpenCV's on the same photographs, and in every form of call."""

import csv
import inspect
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import PfiqError, align, detect
from pfiq_jax.detection.suppression import MAX_FACES

TWO_FACES = "Wilma_McNabb_0001.jpg"
PIXELS = 0.5  # tolerance of positions
SCORE = 2e-3  # the table has three digits


@pytest.fixture(scope="module")
def expected(data):
    """OpenCV's faces by the names of the photographs: rows of a box, five landmarks and a score, in pixels."""
    with (data / "lfw_photos" / "opencv_faces.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    return {
        name: np.array([row[2:] for row in of_photo], np.float64)
        for name, of_photo in itertools.groupby(rows, key=lambda row: row[0])
    }


def rows_of(faces):
    """The valid faces of one photograph, in the form of the table."""
    columns = [faces.boxes, faces.landmarks.reshape(MAX_FACES, 10), faces.scores[:, None]]
    return np.concatenate(columns, 1)[np.asarray(faces.valid)]


def test_the_same_faces_as_opencv_and_no_others(detector, photos, expected):
    found = {name: rows_of(detect(detector, photo)) for name, photo in photos.items()}
    assert sum(map(len, found.values())) == sum(map(len, expected.values())) == 251
    for name, rows in found.items():
        assert (np.diff(rows[:, -1]) <= 0).all()
        theirs = expected[name]
        assert len(rows) == len(theirs), name
        np.testing.assert_allclose(rows[:, :-1], theirs[:, :-1], rtol=0, atol=PIXELS, err_msg=name)
        np.testing.assert_allclose(rows[:, -1], theirs[:, -1], rtol=0, atol=SCORE, err_msg=name)


@pytest.fixture(scope="module")
def some(photos):
    """Photographs, the second with two faces."""
    return np.stack([photos[name] for name in ("Steffi_Graf_0001.jpg", TWO_FACES, "Joseph_LePore_0001.jpg")])


def close(found, expected, tolerance=1e-2):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def test_a_batch_and_each_form_of_call(detector, some):
    faces = detect(detector, some)
    assert [array.shape for array in faces] == [(3, 64, 4), (3, 64, 5, 2), (3, 64), (3, 64)]
    np.testing.assert_array_equal(faces.valid.sum(1), [1, 2, 1])
    for index, photo in enumerate(some):
        close(detect(detector, photo), jax.tree.map(lambda leaf, index=index: leaf[index], faces))
    close(jax.jit(detect)(detector, some.astype(np.float32)), faces)
    close(jax.jit(jax.vmap(detect, (None, 0)))(detector, some), faces)
    assert detect(detector, some[:0]).boxes.shape == (0, 64, 4)


def test_what_is_not_valid_is_zero(detector, some):
    faces = detect(detector, some)
    assert all(not np.asarray(array)[~np.asarray(faces.valid)].any() for array in faces)
    assert not any(array.any() for array in detect(detector, np.full((96, 64, 3), 127, np.uint8)))


def test_landmarks_are_those_that_align_takes(detector, some):
    crop = align(some[0], np.asarray(detect(detector, some[0]).landmarks[0]))
    assert crop.shape == (112, 112, 3)
    assert (crop.reshape(-1, 3).max(1) > 0).mean() > 0.95


def test_positions_move_with_the_photograph(detector, some):
    """By a stride of 32 pixels, which changes nothing else."""
    moved = detect(detector, np.pad(some[:1], ((0, 0), (64, 0), (32, 0), (0, 0))))
    faces = detect(detector, some[:1])
    assert moved.valid.sum() == faces.valid.sum() == 1
    np.testing.assert_allclose(moved.landmarks[0, 0] - faces.landmarks[0, 0], [[32, 64]] * 5, atol=2)


def test_positions_in_a_large_photograph_are_in_its_own_pixels(detector, some):
    """The centre of pixel x of the shrunk photograph lies at 3 x + 1 in one whose pixels are repeated 3 times."""
    photo = np.pad(some[0], ((0, 0), (390, 0), (0, 0)))
    large, faces = detect(detector, photo.repeat(3, 0).repeat(3, 1)), detect(detector, photo)
    assert large.valid[0]
    np.testing.assert_allclose(large.landmarks[0], 3 * faces.landmarks[0] + 1, atol=2)
    np.testing.assert_allclose(large.boxes[0, 2:], 3 * faces.boxes[0, 2:], atol=6)


def test_faces_at_another_threshold(detector, some):
    best = float(detect(detector, some[0]).scores[0])
    assert not detect(detector, some[0], threshold=best + 1e-3).valid.any()
    assert detect(detector, some[0], threshold=best - 1e-3).valid.sum() == 1


def test_nan_is_no_face(detector, some):
    photo = jnp.asarray(some[0], jnp.float32)
    assert not jax.jit(detect)(detector, photo * jnp.nan).valid.any()
    with pytest.raises(PfiqError, match="NaN"):
        detect(detector, photo.at[3, 3].set(jnp.nan))


def test_gradients_are_zero(detector, some):
    def total(detector, photo):
        faces = detect(detector, photo)
        return faces.landmarks.sum() + faces.scores.sum()

    gradients = jax.grad(total, (0, 1))(detector, jnp.asarray(some[0], jnp.float32))
    assert not any(leaf.any() for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize(
    ("photos", "problem"),
    [
        (np.zeros((4, 4), np.uint8), r"photographs have shape \(4, 4\); give RGB"),
        (np.zeros((4, 4, 4), np.uint8), "photographs have shape"),
        (np.zeros((0, 4, 3), np.uint8), "photographs have shape"),
        (np.zeros((2, 4, 4, 3), np.complex64), "dtype"),
        (np.linspace(0, 1.02, 48).reshape(4, 4, 3), r"pixels scaled to 0\.\.1"),
    ],
)
def test_what_is_no_photograph(detector, photos, problem):
    with pytest.raises(PfiqError, match=problem):
        detect(detector, photos)


def test_wrong_order_and_wrong_threshold(detector, some):
    with pytest.raises(PfiqError, match=r"^detector: is of type ndarray; give \(detector, photos\)"):
        inspect.unwrap(detect)(some, detector)
    with pytest.raises(PfiqError, match=r"threshold is 60\.0; give a number between 0 and 1"):
        detect(detector, some, threshold=60.0)


@pytest.mark.parametrize("kind", ["Auto", "Explicit"])
def test_a_batch_that_is_distributed_over_devices(detector, some, kind):
    photos = np.concatenate([some, some[:1]])
    expected = detect(detector, photos)
    with jax.set_mesh(jax.make_mesh((4,), ("batch",), axis_types=(getattr(jax.sharding.AxisType, kind),))):
        by_batch = jax.sharding.PartitionSpec("batch")
        faces = detect(detector, jax.device_put(photos, by_batch))
        assert faces.boxes.sharding.spec[0] == "batch"
        if kind == "Auto":
            everywhere = jax.sharding.PartitionSpec()
            mapped = jax.shard_map(detect, in_specs=(everywhere, by_batch), out_specs=by_batch)
            close(jax.jit(mapped)(detector, photos), expected)
    close(faces, expected)


def test_exported_programs_are_read_back(detector, some):
    shape = (*jax.export.symbolic_shape("batch, 250, 250"), 3)
    exported = jax.export.export(jax.jit(detect), platforms=("cpu", "cuda", "tpu"))(
        detector, jax.ShapeDtypeStruct(shape, np.uint8)
    )
    again = jax.export.deserialize(exported.serialize())
    close(again.call(detector, some), detect(detector, some))
