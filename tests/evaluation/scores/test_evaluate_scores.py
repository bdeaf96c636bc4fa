import math

import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.evaluation.controls import random_scores
from pfiq_jax.evaluation.scores.evaluate_scores import (
    SCORE_MEASURES,
    evaluate_scores,
)


@pytest.fixture(scope="module")
def people():
    """120 embeddings of 30 people, some of them noisy, and how noisy."""
    generator = np.random.default_rng(0)
    identities = np.repeat(np.arange(30), 4)
    noise = generator.uniform(0.1, 1.2, 120)
    embeddings = generator.normal(size=(30, 16))[identities] + noise[:, None] * generator.normal(size=(120, 16))
    return embeddings, identities, noise


@pytest.fixture(scope="module")
def evaluation(people):
    embeddings, identities, noise = people
    columns = {"good": -noise, "bad": noise, "random": random_scores(120), "constant": np.ones(120)}
    return evaluate_scores(embeddings, identities, columns, fmr=0.01)


def test_a_good_score_is_better_than_chance_than_a_bad_one(evaluation):
    good, bad, random = (evaluation.estimates[name] for name in ("good", "bad", "random"))
    assert good["pauc"].high < 1 < bad["pauc"].low
    assert good["pauc"].high < random["pauc"].value < bad["pauc"].low
    assert good["fnmr"].value < random["fnmr"].value < bad["fnmr"].value
    assert bad["rce"].high < 0 < good["rce"].low
    assert abs(random["rce"].value) < 0.2


def test_a_constant_score_gains_nothing_and_loses_nothing(evaluation):
    constant = evaluation.estimates["constant"]
    assert constant["pauc"] == pytest.approx((1, 1, 1))
    assert constant["fnmr"] == pytest.approx(evaluation.start)
    assert constant["rce"].value == pytest.approx(0.5, abs=1e-3)  # what the published formula makes of ties


def test_values_lie_in_their_intervals(evaluation):
    for score in ("good", "bad", "random"):
        assert list(evaluation.estimates[score]) == [measure.name for measure in SCORE_MEASURES]
        for estimate in evaluation.estimates[score].values():
            assert estimate.low <= estimate.value <= estimate.high
    assert evaluation.start.low < evaluation.start.value < evaluation.start.high
    assert evaluation.start.value == np.mean(evaluation.comparisons.mated_similarity < evaluation.threshold)
    assert evaluation.warning is None


def test_neither_order_nor_names_of_people_matter(people, evaluation):
    embeddings, identities, noise = people
    order = np.random.default_rng(1).permutation(120)
    names = [f"person {label}" for label in 29 - identities[order]]
    shuffled = evaluate_scores(embeddings[order], names, {"good": -noise[order]}, fmr=0.01, resamples=2)
    for name, estimate in evaluation.estimates["good"].items():
        assert shuffled.estimates["good"][name].value == pytest.approx(estimate.value)


def test_the_seed_decides(people):
    embeddings, identities, noise = people
    one, same, other = (
        evaluate_scores(embeddings, identities, {"good": -noise}, fmr=0.01, seed=seed, resamples=9).estimates["good"]
        for seed in (1, 1, 2)
    )
    assert one["pauc"] == same["pauc"]
    assert one["pauc"].low != other["pauc"].low


def test_without_errors_pauc_is_not_defined():
    embeddings = np.eye(4)[[0, 0, 1, 1]]
    found = evaluate_scores(embeddings, [0, 0, 1, 1], {"any": np.arange(4.0)}, resamples=20)
    assert math.isnan(found.estimates["any"]["pauc"].value)
    assert found.estimates["any"]["fnmr"] == (0, 0, 0)
    assert found.warning
    assert "4 non-mated pairs are few" in found.warning


@pytest.mark.parametrize(
    ("identities", "scores", "reason"),
    [
        ([0, 0, 0], np.ones(3), "fewer than two people"),
        ([0, 1, 2], np.ones(3), "no person has two faces"),
        ([0, 0, 1], np.ones(2), "'any' are not 3 finite numbers"),
        ([0, 0, 1], np.array([1, np.nan, 2]), "'any' are not 3 finite numbers"),
    ],
)
def test_refuses(identities, scores, reason):
    with pytest.raises(PfiqError, match=reason):
        evaluate_scores(np.eye(3), identities, {"any": scores})
