import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from pfiq_jax.evaluation.maps.damage import DAMAGES, damage_estimates, follows_score
from pfiq_jax.evaluation.maps.explained import Explained

GENERATOR = np.random.default_rng(0)
PEOPLE = GENERATOR.integers(0, 256, (3, 40, 40, 3), np.uint8)


def test_damages_spoil_the_whole_face():
    blurred = gaussian_filter(np.float32(PEOPLE), (0, 2, 2, 0))
    np.testing.assert_array_equal(DAMAGES["blur_2"](PEOPLE), np.rint(blurred))
    np.testing.assert_array_equal(DAMAGES["dark_0.25"](PEOPLE), np.rint(PEOPLE / 4))
    for damage in DAMAGES.values():
        spoiled = damage(PEOPLE)
        assert spoiled.shape == PEOPLE.shape
        assert spoiled.dtype == np.uint8
    deviations = [DAMAGES[f"small_{times}"](PEOPLE).std() for times in (2, 3, 5)]
    assert PEOPLE.std() > deviations[0] > deviations[1] > deviations[2]


def test_follows_score_is_spearman_s_with_an_interval_over_faces():
    means = GENERATOR.normal(size=(4, 30))
    scores = means + GENERATOR.normal(size=(4, 30))
    found = follows_score(means, scores, seed=0)
    assert found.value == pytest.approx(spearmanr(means.ravel(), scores.ravel()).statistic)
    assert found.low < found.value < found.high
    assert follows_score(means, np.exp(means), seed=0) == pytest.approx((1, 1, 1))
    assert follows_score(means, -means, seed=0) == pytest.approx((-1, -1, -1))
    assert np.isnan(follows_score(np.ones((4, 30)), scores, seed=0)).all()


def test_one_correlation_over_all_damages_of_all_faces(small):
    """Of a map that gives each face a mean of its own, the darker the lower."""

    def own(faces: np.ndarray) -> Explained:
        return Explained(np.zeros(3), faces[..., 0] / np.float32(255))

    passed = []
    found = damage_estimates(
        small,
        PEOPLE,
        {"own": own, "opposite": lambda faces: own(255 - faces)},
        seed=0,
        advance=passed.append,
    )
    assert sum(passed) == len(DAMAGES) * 3
    assert -1 <= found["own", "follows_score"].value <= 1
    assert found["opposite", "follows_score"].value == pytest.approx(-found["own", "follows_score"].value)
