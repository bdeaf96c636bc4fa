"""Against what the published codes gave on synthetic comparisons."""

import json
from pathlib import Path

import numpy as np
import pytest

from pfiq_jax.evaluation.scores.error_versus_discard import error_versus_discard, partial_area, theoretical_best_area
from pfiq_jax.evaluation.scores.published_curves import DISCARD_SHARES, cr_fiqa_area, cr_fiqa_curve, magface_curve

GOLDEN = Path(__file__).parent / "golden"
WANTED = json.loads((GOLDEN / "erc_synth_expected.json").read_text())


@pytest.fixture(scope="module")
def pairs():
    with np.load(GOLDEN / "erc_synth.npz") as arrays:
        sides = [arrays[name] / np.linalg.norm(arrays[name], axis=1, keepdims=True) for name in ("emb0", "emb1")]
        return np.sum(sides[0] * sides[1], 1), arrays["issame"], arrays["quality"].min(1)


def test_discards_the_published_shares():
    np.testing.assert_array_equal(DISCARD_SHARES, WANTED["rates"])


@pytest.mark.parametrize("fmr", ["1e-2", "1e-3", "1e-4"])
def test_cr_fiqa(pairs, fmr):
    curve = cr_fiqa_curve(*pairs, float(fmr))
    np.testing.assert_allclose(curve, WANTED["crfiqa"][fmr], atol=1e-6)
    assert cr_fiqa_area(curve) == pytest.approx(WANTED["crfiqa_auc"][fmr], abs=1e-6)


def test_magface(pairs):
    np.testing.assert_allclose(magface_curve(*pairs), WANTED["magface_1e-3"], atol=1e-6)


def test_fixed_threshold(pairs):
    similarities, mated, qualities = pairs
    wanted = WANTED["edc_fixed"]
    similarities = 1 - np.arccos(similarities) / np.pi
    threshold = np.quantile(similarities[~mated], 0.999)
    assert threshold == pytest.approx(wanted["threshold_sim"], abs=1e-6)
    curve = error_versus_discard(similarities[mated] < threshold, qualities[mated])
    assert curve.error[0] == pytest.approx(wanted["fnmr0"], abs=1e-6)
    for share, value in wanted["fnmr_at"].items():
        assert curve.at(float(share)) == pytest.approx(value, abs=1e-6)
    for limit, value in wanted["pauc"].items():
        assert partial_area(curve, float(limit)) == pytest.approx(value, abs=1e-6)
    for limit, value in wanted["best"].items():
        assert theoretical_best_area(curve.error[0], float(limit)) == pytest.approx(value, abs=1e-6)


def test_cr_fiqa_by_hand():
    """At the second similarity from below, 0.2, one of two non-mated pairs matches."""
    similarities = np.array([0.9, 0.2, 0.5, 0.1])
    mated = np.array([True, True, False, False])
    curve = cr_fiqa_curve(similarities, mated, np.arange(4.0), 0.5)
    assert curve[0] == 1 / 2  # the mated pair at the threshold itself counts as no match
    np.testing.assert_array_equal(np.isnan(curve), DISCARD_SHARES >= 0.5)  # where no mated pair is left


def test_magface_leaves_out_points_of_too_few_non_mated_pairs():
    generator = np.random.default_rng(0)
    mated = np.arange(300) % 2 == 0
    curve = magface_curve(generator.uniform(-1, 1, 300), mated, np.arange(300.0))
    left = [np.sum(~mated[int(share * 300) :]) for share in DISCARD_SHARES]
    np.testing.assert_array_equal(np.isnan(curve), np.array(left) <= 100)
