"""What scores mean: fits that recover what was put in, and what a file keeps of them."""

import jax
import numpy as np
import pytest

from pfiq_jax import PfiqError, calibrate, face_quality, failure_probability, load_recognizer, percentile
from pfiq_jax.calibration import scale
from pfiq_jax.quality import calibration_of


def test_scale_recovers_a_logistic_distribution():
    raw = np.random.default_rng(0).logistic(700, 50, 20_000)
    calibration = calibrate("relative_norm", raw, reference="drawn")
    assert calibration.alpha == pytest.approx(1 / 50, rel=0.03) and calibration.r == pytest.approx(700, abs=2)
    share = np.histogram(scale(raw, calibration), 10, (0, 1))[0] / len(raw)
    np.testing.assert_allclose(share, 0.1, atol=0.01)
    assert calibration.failure is None and failure_probability(raw[:3], calibration) is None


def test_failures_recover_a_logistic_regression():
    generator = np.random.default_rng(1)
    raw = generator.logistic(0, 1, 4_000)
    pairs = generator.integers(0, len(raw), (30_000, 2))
    failed = generator.random(len(pairs)) < 1 / (1 + np.exp(2 + 1.5 * raw[pairs].min(1)))
    calibration = calibrate("magface", raw, reference="drawn", pairs=pairs, failed=failed, threshold=0.4, fmr=1e-3)
    intercept, slope = calibration.failure
    assert intercept == pytest.approx(-2, abs=0.1) and slope * calibration.alpha == pytest.approx(-1.5, abs=0.1)
    assert failure_probability(-2.0, calibration) > failure_probability(2.0, calibration)


def test_percentiles_are_those_of_the_reference():
    calibration = calibrate("magface", np.arange(101.0), reference="steps")
    np.testing.assert_allclose(percentile(np.array([-5, 0, 25.5, 100, 200]), calibration), [0, 0, 25.5, 100, 100])


@pytest.mark.parametrize("raw", [np.arange(5.0), np.ones(50), np.full(50, np.nan)])
def test_scores_that_tell_nothing_are_refused(raw):
    with pytest.raises(PfiqError, match="give 20 faces or more"):
        calibrate("magface", raw, reference="nothing")


def test_comparisons_that_all_succeed_are_refused():
    with pytest.raises(PfiqError, match="give faces of which some do"):
        calibrate("magface", np.arange(50.0), reference="x", pairs=np.zeros((3, 2), int), failed=np.zeros(3, bool))


def test_a_file_keeps_calibrations(recognizer, tmp_path):
    mine = calibrate("magface", np.arange(50.0), reference="steps")
    recognizer.calibrated(mine).save(tmp_path / "mine.safetensors")
    kept = load_recognizer(tmp_path / "mine.safetensors")
    assert kept.calibration("magface") == mine and len(kept.calibrations) == len(recognizer.calibrations)
    assert kept.calibration("relative_norm") == recognizer.calibration("relative_norm")


def test_face_quality_uses_the_calibration(recognizer, faces):
    face = faces["skimage/astronaut"]
    before = jax.jit(face_quality, static_argnames="method")
    for method in ("relative_norm", "ser_fiq_closed_form", "magface"):
        assert 0 < before(recognizer, face, method=method) < 1
    lower = calibrate("magface", np.linspace(0, 1, 50), reference="all lower")
    assert before(recognizer.calibrated(lower), face, method="magface") > 0.99


def test_what_has_no_scale_is_refused(facenet):
    assert calibration_of(facenet, "ser_fiq").alpha == 130  # as published
    with pytest.raises(PfiqError, match="pfiq calibrate"):
        face_quality(facenet, np.zeros((160, 160, 3), np.uint8), method="magface")
    with pytest.raises(PfiqError, match="choose one of"):
        face_quality(facenet, np.zeros((160, 160, 3), np.uint8), method="best")
