from pathlib import Path

import jax
import numpy as np
import pytest

from pfiq_jax import PfiqError, load_recognizer, pixel_quality, ser_fiq_closed_form
from pfiq_jax.faces import Face
from pfiq_jax.scoring import pixel_and_raw_quality, score_files

SIZE = (112, 112)


def read(path: Path) -> list[Face]:
    """Smooth random colours, another face for each number."""
    if path.name == "bad":
        raise PfiqError("bad: is empty; give an image.")
    coarse = np.random.default_rng(int(path.name)).uniform(0, 255, (7, 7, 3))
    return [Face(np.repeat(np.repeat(coarse, 16, 0), 16, 1).astype(np.uint8), False)]


def paths(count: int) -> list[Path]:
    return [Path(str(index)) for index in range(count)]


def raw_scores(recognizer, count, **options):
    batches = list(score_files(recognizer, paths(count), read, **options))
    return np.array([score.raw_quality for batch in batches for score in batch])


def test_devices_and_batch_sizes_do_not_change_scores(small):
    expected = raw_scores(small, 20, batch_size=1)
    assert np.ptp(expected) > 1e-3 * expected.mean()
    for size in (2, 16):
        for maps in (False, True):
            np.testing.assert_allclose(raw_scores(small, 20, batch_size=size, maps=maps), expected, rtol=1e-5)


@pytest.mark.slow
def test_devices_and_batch_sizes_do_not_change_scores_of_the_network(recognizer, monkeypatch):
    everywhere = [raw_scores(recognizer, 20, batch_size=size) for size in (8, 256)]
    monkeypatch.setattr("jax.local_devices", lambda: jax.devices()[:1])
    on_one = raw_scores(recognizer, 20, batch_size=4)
    np.testing.assert_allclose(everywhere, [on_one, on_one], rtol=1e-5)


def test_maps(small):
    found = [score for batch in score_files(small, [*paths(3), Path("bad")], read, maps=True) for score in batch]
    images = np.stack([read(path)[0].image for path in paths(3)])
    expected = pixel_quality(small, images)
    np.testing.assert_allclose([score.map for score in found[:3]], expected.map, rtol=1e-4)
    np.testing.assert_allclose([score.quality for score in found[:3]], expected.quality, rtol=1e-4)
    assert all(score.deficit is None for score in found)  # the network was not calibrated for it
    assert found[3].map is None
    assert found[3].error == "bad: is empty; give an image."


def test_maps_of_a_method_without_a_scale(small):
    found = [score for batch in score_files(small, paths(2), read, method="magface", maps=True) for score in batch]
    assert [score.quality for score in found] == [None, None]
    np.testing.assert_allclose(
        [score.raw_quality for score in found], raw_scores(small, 2, method="magface"), rtol=1e-5
    )
    images = np.stack([read(path)[0].image for path in paths(2)])
    np.testing.assert_allclose([score.map for score in found], pixel_quality(small, images).map, rtol=1e-4)


@pytest.mark.slow
def test_deficits():
    recognizer = load_recognizer()
    found = [score for batch in score_files(recognizer, paths(2), read, maps=True) for score in batch]
    images = np.stack([read(path)[0].image for path in paths(2)])
    np.testing.assert_allclose([score.deficit for score in found], pixel_quality(recognizer, images).deficit, atol=1e-3)


def test_maps_of_a_network_without_a_calibration_are_those_of_pixel_quality(small):
    """Its borrowed scale gives nearly 0 for all faces, which says nothing about them and must not darken the map."""
    image = read(Path("1"))[0].image
    found, raw = pixel_and_raw_quality(small, image)
    expected = pixel_quality(small, image)
    np.testing.assert_allclose(found.map, expected.map, rtol=1e-5)
    np.testing.assert_allclose(found.quality, expected.quality, rtol=1e-5)
    np.testing.assert_allclose(raw, ser_fiq_closed_form(small, image), rtol=1e-5)
