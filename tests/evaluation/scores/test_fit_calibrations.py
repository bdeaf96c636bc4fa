import numpy as np
import pytest

from pfiq_jax.evaluation.scores import fit_calibrations as module
from pfiq_jax.evaluation.scores.comparisons import FMR
from pfiq_jax.evaluation.scores.fit_calibrations import fit_calibrations, mated_outcomes

PEOPLE, FACES = 40, 4


@pytest.fixture(scope="module")
def measured():
    """Faces of 40 people: embeddings that are noisier the lower the score is."""
    generator = np.random.default_rng(0)
    scores = generator.uniform(0, 1, PEOPLE * FACES)
    centres = np.repeat(generator.normal(size=(PEOPLE, 64)), FACES, 0)
    embeddings = centres + generator.normal(size=centres.shape) * (2.5 * (1 - scores))[:, None]
    return {"relative_norm": scores}, embeddings, [str(index // FACES) for index in range(len(scores))]


def test_a_known_failure_probability(measured):
    _, embeddings, identities = measured
    (calibration,), reason = fit_calibrations(*measured, reference="faces")
    assert reason is None
    assert calibration.fmr == FMR
    assert calibration.reference == "faces"
    _, failed, threshold, _ = mated_outcomes(embeddings, identities)
    assert calibration.threshold == threshold
    assert 0.05 < failed.mean() < 0.95
    low, high = (float(calibration.failure_probability(raw)) for raw in (0.1, 0.9))
    assert low > 0.5 > high


def test_loose_faces_are_scored_and_not_compared(measured):
    """They go between the others, so that indices must be mapped; comparing them with anybody would change much."""
    scores, embeddings, identities = measured
    order = np.random.default_rng(1).permutation(len(identities) + 50)
    raw = np.concatenate([scores["relative_norm"], np.linspace(0, 1, 50)])
    all_embeddings = np.concatenate([embeddings, np.tile(embeddings[:1], (50, 1))])
    all_identities = np.array([*identities, *[None] * 50], object)
    (mixed,), _ = fit_calibrations(
        {"relative_norm": raw[order]}, all_embeddings[order], list(all_identities[order]), reference="faces"
    )
    (alone,), _ = fit_calibrations(*measured, reference="faces")
    assert mixed.threshold == pytest.approx(alone.threshold, abs=1e-6)
    assert not np.allclose(mixed.percentiles, alone.percentiles, atol=1e-3)
    scores = np.array([0.2, 0.5, 0.8])
    np.testing.assert_allclose(mixed.failure_probability(scores), alone.failure_probability(scores), atol=0.02)


@pytest.mark.parametrize("identities", [None, "ann", "different"])
def test_nothing_is_compared_without_two_people_and_a_mated_pair(measured, monkeypatch, identities):
    """A flat folder of 20,000 faces has 2e8 pairs."""
    monkeypatch.setattr(module, "compare_all_pairs", lambda *_, **__: pytest.fail("compared"))
    scores, embeddings, _ = measured
    labels = [str(index) if identities == "different" else identities for index in range(len(embeddings))]
    (calibration,), reason = fit_calibrations(scores, embeddings, labels, reference="faces")
    assert "two people or more" in reason
    assert calibration.failure is None
    assert calibration.threshold is None
    assert calibration.fmr is None


@pytest.mark.parametrize(
    ("embeddings", "cause"),
    [
        (np.repeat(np.eye(PEOPLE), FACES, 0), "none of the 240 comparisons"),  # one direction per person
        (np.tile(np.eye(FACES), (PEOPLE, 1)), "all of the 240 comparisons"),  # one per number of the face
    ],
    ids=["none", "all"],
)
def test_no_comparison_fails_or_all_do(measured, embeddings, cause):
    scores, _, identities = measured
    (calibration,), reason = fit_calibrations(scores, embeddings, identities, reference="faces")
    assert cause in reason
    assert reason.count(".") == 1
    assert calibration.failure is None


def test_failures_that_do_not_depend_on_a_score_are_named(measured):
    scores, embeddings, identities = measured
    columns = {**scores, "magface": -scores["relative_norm"]}
    (good, bad), warning = fit_calibrations(columns, embeddings, identities, reference="faces")
    assert good.failure is not None
    assert bad.failure is None
    assert "is not known by magface: comparisons do not fail less often as the score rises" in warning


def test_a_threshold_of_few_comparisons_has_a_warning(measured):
    scores, embeddings, identities = measured
    part = {name: values[:24] for name, values in scores.items()}
    _, warning = fit_calibrations(part, embeddings[:24], identities[:24], reference="faces")
    assert "240 non-mated pairs are few for a false match rate of 0.001" in warning
