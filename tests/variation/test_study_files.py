from pathlib import Path

import numpy as np

from pfiq_jax import PfiqError
from pfiq_jax.faces import Face
from pfiq_jax.variation.study import split
from pfiq_jax.variation.study_files import EXAMPLES, study_files

REGION = np.pad(np.ones((2, 2), bool), 1)
PATHS = [Path(f"{index}.png") for index in range(40)]
SCORES = np.arange(40.0)[::-1].copy()  # the first file is the best
UNREADABLE = (PATHS[1], PATHS[20])


def read(path: Path) -> list[Face]:
    if path in UNREADABLE:
        raise PfiqError(f"{path}: is empty; give an image file.")
    return [Face(np.full((4, 4, 3), int(path.stem), np.uint8), False)]


def brightness(images):
    return images[..., 0].astype(np.float32) / 255


def test_studies_each_face_once_and_keeps_the_ends_as_examples():
    noted, done, saved = [], [], []
    studied = study_files(
        brightness,
        PATHS,
        SCORES,
        split(SCORES, quantile=0.25),
        read,
        REGION,
        metadata={"score": "s"},
        note=lambda path, face: noted.append(path),
        advance=done.append,
        done=lambda name, variation: saved.append(name),
    )
    assert sorted(noted) == sorted(PATHS)
    assert sum(done) == 40
    assert saved == ["high", "low"]
    found = studied.found
    assert (found.high.count, found.low.count) == (9, 10)
    np.testing.assert_allclose(found.high.mean, np.mean([0, *range(2, 10)]) / 255, atol=1e-6)
    np.testing.assert_allclose(found.low.mean, np.mean(range(30, 40)) / 255, atol=1e-6)
    assert set(studied.paths) == {*PATHS[10:]} - {*UNREADABLE}
    np.testing.assert_array_equal(studied.scores, [39 - int(path.stem) for path in studied.paths])
    best, worst = [39, 37, 36], [3, 2, 1, 0]  # the second best cannot be read
    assert [example.score for example in studied.examples] == best + worst
    assert EXAMPLES == 4
    for example in studied.examples:
        assert (example.image == 39 - example.score).all()
        np.testing.assert_allclose(example.activation, (39 - example.score) / 255, rtol=1e-6)
