"""Deficits of sets of faces, by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.faces import Face
from pfiq_jax.maps.face_regions import NOT_CALIBRATED
from pfiq_jax.variation.deficits import Deficits, SetDeficits, set_deficits
from pfiq_jax.variation.report import report_of
from pfiq_jax.variation.study import split
from pfiq_jax.variation.study_files import study_files

UPPER = np.arange(4)[:, None] * np.ones((1, 4), int) < 2
REGIONS = {"upper": UPPER, "lower": ~UPPER}
PATHS = [Path(f"{index}.png") for index in range(20)]


def read(path: Path) -> list[Face]:
    if path == PATHS[1]:
        raise PfiqError(f"{path}: is empty; give an image file.")
    return [Face(np.full((4, 4, 3), int(path.stem), np.uint8), False)]


def upper_half(images):
    """Deficits of 1 in the upper half of the faces 2 and 3, otherwise 0.5."""
    lacks = (images[..., 0] >= 2) & (images[..., 0] <= 3)
    return np.where(lacks & UPPER, np.float32(1), np.float32(0.5))


def test_mean_and_shares_of_a_set():
    done = []
    found = set_deficits(upper_half, PATHS[:5], read, REGIONS, advance=done.append)
    assert sum(done) == 5
    np.testing.assert_allclose(found.mean, np.where(UPPER, 0.75, 0.5))  # of four faces: one cannot be read
    assert found.marked == {"upper": 0.5, "lower": 0}
    assert found.numbers() == {"mean_deficit": 0.625, "marked": {"upper": 0.5, "lower": 0}}


def test_none_without_calibration_and_an_error_without_faces():
    assert set_deficits(lambda images: None, PATHS[:5], read, REGIONS) is None
    with pytest.raises(PfiqError, match="no face"):
        set_deficits(upper_half, PATHS[1:2], read, REGIONS)


def test_words_name_the_most_frequent_region_first():
    high = SetDeficits(np.full((4, 4), 0.5), {"upper": 0.0, "lower": 0.02})
    low = SetDeficits(np.full((4, 4), 0.75), {"upper": 0.1, "lower": 0.4})
    mean, parts = Deficits(high, low).sentences()
    assert "0.75 for low and 0.50 for high quality" in mean
    assert parts.endswith("(of the high-quality faces): lower 40% (2%), upper 10% (0%).")


def test_the_report_shows_deficits_or_says_why_not(monkeypatch):
    monkeypatch.setattr("pfiq_jax.variation.report.png_of", lambda figure: b"png")  # drawing takes long
    scores = np.arange(20.0)
    region = np.pad(np.ones((2, 2), bool), 1)
    generator = np.random.default_rng(0)
    studied = study_files(
        lambda images: generator.uniform(size=images.shape[:3]).astype(np.float32),
        *(PATHS, scores, split(scores, quantile=0.25), read, region),
        metadata={},
    )
    metadata = {"score": "s", "activations": "a", "recognizer": "r"}
    found = set_deficits(upper_half, PATHS[:5], read, REGIONS)
    deficits = Deficits(found, found._replace(mean=found.mean + 0.2))

    report = report_of(studied, deficits, metadata, source="x")
    assert report.summary[-2:] == deficits.sentences()
    assert "upper 50% (50%)" in report.files["report.html"].decode()
    assert "deficits.png" in report.files
    written = json.loads(report.files["report.json"])["deficits"]
    assert written["high"] == found.numbers()
    assert written["low"]["mean_deficit"] == pytest.approx(0.825)

    without = report_of(studied, None, metadata, source="x")
    assert without.summary[-1] == NOT_CALIBRATED
    assert "deficits.png" not in without.files
    assert json.loads(without.files["report.json"])["deficits"] is None
    assert without.files["report.html"].count(b"data:image") == report.files["report.html"].count(b"data:image") - 1
