from pathlib import Path

import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.evaluation.scores.measured_files import measure_files
from pfiq_jax.faces import Face

PATHS = [Path(f"{index}.png") for index in range(7)]
UNREADABLE = (PATHS[0], PATHS[4])


def read(path: Path) -> list[Face]:
    if path in UNREADABLE:
        raise PfiqError(f"{path}: is empty; give an image file.")
    return [Face(np.full((2, 2, 3), int(path.stem), np.uint8), False)]


def embedding_and_score(images):
    pixels = images.astype(np.float32)
    return pixels[:, 0, 0], {"first": pixels[:, 0, 0, 0], "negated": -pixels[:, 0, 0, 0]}


def test_rows_are_those_of_the_faces_that_can_be_read_in_order():
    noted, done = {}, []
    found = measure_files(
        embedding_and_score, PATHS, read, note=lambda *each: noted.update([each]), advance=done.append
    )
    np.testing.assert_array_equal(found.is_read, [path not in UNREADABLE for path in PATHS])
    np.testing.assert_array_equal(found.scores["first"], [1, 2, 3, 5, 6])
    np.testing.assert_array_equal(found.scores["negated"], [-1, -2, -3, -5, -6])
    np.testing.assert_array_equal(found.embeddings, found.scores["first"][:, None].repeat(3, 1))
    assert list(noted) == PATHS
    assert sum(done) == len(PATHS)
    assert [path for path, face in noted.items() if isinstance(face, PfiqError)] == list(UNREADABLE)


def test_nothing_can_be_read():
    with pytest.raises(PfiqError, match="none of the 2 files has a face that can be used"):
        measure_files(embedding_and_score, UNREADABLE, read)
