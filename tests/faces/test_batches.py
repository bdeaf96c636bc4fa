import itertools
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


def faces_of(counts, read=()):
    """A reader of ``counts[n]`` faces in source n, whose grey levels are 10 n and more; what is read is noted."""

    def read_some(path: Path) -> list[Face]:
        index = int(path.name)
        if isinstance(read, list):
            read.append(index)
        if not counts[index]:
            raise PfiqError(f"{path}: no face was found; give another photograph.")
        return [Face(np.full((3, 4, 3), 10 * index + number, np.uint8), False) for number in range(counts[index])]

    return read_some


def sources(count: int) -> list[Path]:
    return [Path(str(index)) for index in range(count)]


class Brightest:
    """The largest grey level of each image, and the grey levels of all batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        assert images.shape[1:] == (3, 4, 3)
        self.batches.append(images.max((1, 2, 3)).tolist())
        return images.max((1, 2, 3))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_files_in_order_with_the_reason_of_those_without_a_face(count):
    compute = Brightest()
    found = over_files(compute, sources(count), faces_of([1, 1, 0, 1, 1]), batch_size=2)
    rows = [row for batch in found for row in batch]
    assert [path for path, *_ in rows] == sources(count)
    assert {len(batch) for batch in compute.batches} <= {2}
    for index, (_, face, row) in enumerate(rows):
        if index == 2:
            assert str(face).startswith("2: no face was found")
            assert row is None
        else:
            assert row == face.image.max() == 10 * index


def test_batches_are_full_whatever_the_number_of_faces_in_a_file():
    counts = [1, 5, 0, 0, 3, 0, 2]
    compute = Brightest()
    found = [row for batch in over_files(compute, sources(7), faces_of(counts), batch_size=4) for row in batch]
    assert compute.batches == [[0, 10, 11, 12], [13, 14, 40, 41], [42, 60, 61, 61]]
    assert [(path.name, row) for path, face, row in found if isinstance(face, Face)] == [
        (str(index), 10 * index + number) for index, count in enumerate(counts) for number in range(count)
    ]
    assert [path.name for path, *_ in found] == list("0111112344456" + "6")


def test_batches_end_where_what_belongs_together_ends():
    compute = Brightest()
    found = over_files(
        compute, sources(5), faces_of([1, 2, 1, 0, 1]), batch_size=2, together=lambda path: int(path.name) >= 2
    )
    assert [[path.name for path, *_ in batch] for batch in found] == [["0", "1"], ["1"], ["2", "3", "4"]]
    assert compute.batches == [[0, 10], [11, 11], [20, 40]]


def test_sources_are_taken_as_they_are_needed():
    """Of many sources only a few are read ahead, also where no source has a face."""
    for number in (0, 1):
        read: list[int] = []
        endless = (Path(str(index % 10)) for index in itertools.count())
        batches = over_files(Brightest(), endless, faces_of([number] * 10, read), batch_size=2)
        for _ in range(3):
            next(batches)
        batches.close()
        assert len(read) < 100


def test_the_next_batch_is_started_before_the_results_of_one_are_fetched():
    events = []

    class Result:
        def __init__(self, number):
            self.number = number

        def __array__(self, dtype=None, copy=None):
            events.append(f"fetch {self.number}")
            return np.full(2, self.number, np.float32)

    def compute(images):
        number = int(images.max()) // 20
        events.append(f"start {number}")
        return Result(number)

    for _ in over_files(compute, sources(6), faces_of([1] * 6), batch_size=2):
        pass
    order = [events.index(each) for each in ("start 0", "start 1", "fetch 0", "start 2", "fetch 1", "fetch 2")]
    assert order == sorted(order)
