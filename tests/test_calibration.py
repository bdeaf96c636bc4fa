"""What scores mean: fits that recover what was put in, and what a file keeps of them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import PUBLISHED_SER_FIQ, Calibration, PfiqError, face_quality, load_recognizer
from pfiq_jax.quality import find_calibration


def test_scale_recovers_a_logistic_distribution():
    raw = np.random.default_rng(0).logistic(700, 50, 20_000)
    calibration = Calibration.fit("relative_norm", raw, reference="drawn")
    assert calibration.alpha == pytest.approx(1 / 50, rel=0.03)
    assert calibration.r == pytest.approx(700, abs=2)
    share = np.histogram(calibration.scale(raw), 10, (0, 1))[0] / len(raw)
    np.testing.assert_allclose(share, 0.1, atol=0.01)
    assert calibration.failure is None
    assert calibration.failure_probability(raw[:3]) is None


def test_failures_recover_a_logistic_regression():
    generator = np.random.default_rng(1)
    raw = generator.logistic(0, 1, 4_000)
    pairs = generator.integers(0, len(raw), (30_000, 2))
    failed = generator.random(len(pairs)) < 1 / (1 + np.exp(2 + 1.5 * raw[pairs].min(1)))
    calibration = Calibration.fit(
        "magface", raw, reference="drawn", pairs=pairs, failed=failed, threshold=0.4, fmr=1e-3
    )
    intercept, slope = calibration.failure
    assert intercept == pytest.approx(-2, abs=0.1)
    assert slope * calibration.alpha == pytest.approx(-1.5, abs=0.1)
    assert calibration.failure_probability(-2.0) > calibration.failure_probability(2.0)


def fit_failures(raw, failed):
    """A fit to comparisons of each face with itself."""
    pairs = np.stack([np.arange(len(raw))] * 2, -1)
    return Calibration.fit("magface", raw, reference="drawn", pairs=pairs, failed=failed, threshold=0.4, fmr=1e-3)


def test_failures_that_the_score_separates_do_not_run_away():
    """For two values of the score, Firth's penalty counts half a comparison more of each outcome: by hand."""
    raw = np.repeat([-1.0, 1.0], [10, 20])
    calibration = fit_failures(raw, raw < 0)
    assert calibration.failure_probability(-1.0) == pytest.approx(10.5 / 11, abs=1e-3)
    assert calibration.failure_probability(1.0) == pytest.approx(0.5 / 21, abs=1e-3)


def test_one_failed_comparison_of_30_gives_a_moderate_slope():
    raw = np.random.default_rng(0).normal(700, 50, 30)
    intercept, slope = fit_failures(raw, raw == raw.min()).failure
    assert -10 < intercept < -2
    assert -4 < slope < -0.5


@pytest.mark.parametrize("failed", [lambda raw: raw > 0.5, lambda raw: raw == raw.max()])
def test_failures_that_become_more_frequent_as_the_score_rises_are_not_fitted(failed):
    raw = np.random.default_rng(0).normal(0, 1, 100)
    calibration = fit_failures(raw, failed(raw))
    assert calibration.failure is None
    assert calibration.failure_probability(0.0) is None
    assert 0.3 < calibration.scale(0.0) < 0.7


def test_failures_are_not_fitted_where_the_worse_face_has_the_same_score_in_all_comparisons():
    pairs, failed = np.stack([np.zeros(30, int), np.arange(1, 31)], -1), np.arange(30) < 9
    assert Calibration.fit("magface", np.arange(50.0), reference="x", pairs=pairs, failed=failed).failure is None


def test_percentiles_are_those_of_the_reference():
    calibration = Calibration.fit("magface", np.arange(101.0), reference="steps")
    np.testing.assert_allclose(calibration.percentile(np.array([-5, 0, 25.5, 100, 200])), [0, 0, 25.5, 100, 100])


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (np.arange(5.0), "has 5 scores; give 20 faces or more"),
        (np.ones(50), "gives all 50 faces the score 1"),
        (np.full(50, np.nan), "has 50 scores that are not finite"),
    ],
)
def test_scores_that_say_nothing_are_refused(raw, words):
    with pytest.raises(PfiqError, match=words):
        Calibration.fit("magface", raw, reference="nothing")


def test_comparisons_that_all_succeed_are_refused():
    with pytest.raises(PfiqError, match="give faces of which some pairs fail"):
        Calibration.fit(
            "magface", np.arange(50.0), reference="x", pairs=np.zeros((3, 2), int), failed=np.zeros(3, bool)
        )


def test_a_file_keeps_calibrations(recognizer, tmp_path):
    mine = Calibration.fit("magface", np.arange(50.0), reference="steps")
    recognizer.calibrated(mine).save(tmp_path / "mine.safetensors")
    kept = load_recognizer(tmp_path / "mine.safetensors")
    assert kept.calibrations.keys() == recognizer.calibrations.keys()
    for name, expected in {**recognizer.calibrations, "magface": mine}.items():
        jax.tree.map(np.testing.assert_array_equal, kept.calibrations[name], expected)
        assert kept.calibrations[name].reference == expected.reference


def test_face_quality_uses_the_calibration(recognizer, faces):
    face = faces["skimage/astronaut"]
    before = jax.jit(face_quality, static_argnames="method")
    for method in ("relative_norm", "ser_fiq_closed_form", "magface"):
        assert 0 < before(recognizer, face, method=method) < 1
    lower = Calibration.fit("magface", np.linspace(0, 1, 50), reference="all lower")
    assert before(recognizer.calibrated(lower), face, method="magface") > 0.99


def test_what_has_no_scale_is_refused(facenet):
    for name in ("ser_fiq", "ser_fiq_closed_form"):
        assert find_calibration(facenet, name) is PUBLISHED_SER_FIQ
    assert find_calibration(facenet, "magface") is None
    with pytest.raises(PfiqError, match="pfiq calibrate"):
        face_quality(facenet, np.zeros((160, 160, 3), np.uint8), method="magface")
    with pytest.raises(PfiqError, match="choose one of"):
        face_quality(facenet, np.zeros((160, 160, 3), np.uint8), method="best")


def test_a_program_serves_other_fits_and_other_words(recognizer, faces):
    """The numbers of a fit are leaves: another fit is used without compiling again. Its words are not compared."""
    traces = []

    @jax.jit
    def quality(recognizer, image):
        traces.append(1)
        return face_quality(recognizer, image)

    face = faces["skimage/astronaut"]
    first = quality(recognizer, face)
    old = recognizer.calibrations["relative_norm"]
    other = dataclasses.replace(old, r=np.float32(old.r) + 10, reference="other faces")
    second = quality(recognizer.calibrated(other), face)
    assert len(traces) == 1
    assert second < first
    np.testing.assert_allclose(second, face_quality(recognizer.calibrated(other), face), rtol=1e-6)


def test_training_does_not_change_the_scale(recognizer, faces):
    gradient = jax.jit(jax.grad(face_quality))(recognizer, faces["skimage/astronaut"])
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient.calibrations))
    assert any((leaf != 0).any() for leaf in jax.tree.leaves(gradient.parameters))


def test_raw_scores_that_are_not_finite_have_no_scale():
    """An embedding that overflowed had the best quality there is."""
    calibration = Calibration("ser_fiq_closed_form", 130.0, 0.88, np.zeros(0), "", failure=np.float32([0, -1]))
    raw = jnp.asarray([0.88, np.inf, -np.inf, np.nan], jnp.float32)
    for values in (calibration.scale(raw), calibration.failure_probability(raw)):
        np.testing.assert_array_equal(np.isfinite(values), [True, False, False, False])
    assert float(jax.grad(lambda score: calibration.scale(score))(jnp.float32(0.88))) == pytest.approx(130 / 4)
