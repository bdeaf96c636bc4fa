from pathlib import Path

import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.faces import Face
from pfiq_jax.faces.batches import batches, default_batch_size, in_batches, over_files


@pytest.mark.parametrize("size", [None, 3])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 9])
def test_batches_take_each_face_once_and_have_one_size(count, size):
    parts = list(batches(count, size))
    assert [row for rows, real in parts for row in rows[:real]] == list(range(count))
    assert len({len(rows) for rows, _ in parts}) <= 1
    for rows, real in parts:
        assert len(rows) <= (size or default_batch_size())
        assert set(rows[real:]) <= {count - 1}
        assert size is None or len(rows) == size


def test_arrays_in_batches(monkeypatch):
    monkeypatch.setattr("pfiq_jax.faces.batches.CPU_BATCH_SIZE", 4)
    shapes = []

    def compute(left, right):
        shapes.append(left.shape)
        return {"sum": left.sum(1) + right, "left": left}

    left, right = np.arange(20).reshape(10, 2), np.arange(10)
    result = in_batches(compute, left, right)
    np.testing.assert_array_equal(result["sum"], left.sum(1) + right)
    np.testing.assert_array_equal(result["left"], left)
    assert shapes == [(4, 2)] * 3


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_files_in_order_with_the_reason_of_those_without_a_face(count):
    paths = [Path(str(index)) for index in range(count)]

    def read(path: Path) -> list[Face]:
        if path.name == "2":
            raise PfiqError("2: is empty; give an image.")
        return [Face(np.full((3, 4, 3), int(path.name), np.uint8), False)]

    shapes = []

    def compute(images):
        shapes.append(images.shape)
        return images.max((1, 2, 3))

    rows = [row for batch in over_files(compute, paths, read, size=(3, 4), batch_size=2) for row in batch]
    assert [path for path, *_ in rows] == paths
    assert set(shapes) <= {(2, 3, 4, 3)}
    for index, (_, face, row) in enumerate(rows):
        assert str(face).startswith("2: is empty") if index == 2 else (row == index and face.image.max() == index)


def test_files_with_several_faces():
    """Batches have one shape, and the faces stay in order, whatever the number of faces in a file."""
    counts = [1, 5, 0, 3, 2]
    paths = [Path(str(index)) for index in range(len(counts))]

    def read(path: Path) -> list[Face]:
        index = int(path.name)
        if not counts[index]:
            raise PfiqError(f"{path}: no face was found; give another photograph.")
        return [Face(np.full((3, 4, 3), 10 * index + number, np.uint8), False) for number in range(counts[index])]

    shapes = []

    def compute(images):
        shapes.append(images.shape)
        return images.max((1, 2, 3))

    found = [row for batch in over_files(compute, paths, read, size=(3, 4), batch_size=2) for row in batch]
    assert [(path.name, row) for path, face, row in found if isinstance(face, Face)] == [
        (str(index), 10 * index + number) for index, count in enumerate(counts) for number in range(count)
    ]
    assert [str(face) for _, face, _ in found if isinstance(face, PfiqError)] == [
        "2: no face was found; give another photograph."
    ]
    assert set(shapes) == {(2, 3, 4, 3)}
