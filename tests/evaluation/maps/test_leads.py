"""Leads over the random order and over the mean map of other faces."""

import numpy as np
import pytest

from pfiq_jax.evaluation.controls import random_maps
from pfiq_jax.evaluation.maps.deletion_insertion import AREA_FRACTIONS, deletion_curve, insertion_curve
from pfiq_jax.evaluation.maps.leads import LEADS_PASSES, areas, draw_curves, leads_over_mean_map, with_shares

IMAGES = np.random.default_rng(0).integers(1, 256, (3, 40, 40, 3), np.uint8)


def test_leads_are_positive_where_the_map_is_better(small):
    """The mean map of the others is computed by hand."""
    shape = IMAGES.shape[:3]
    maps = {"random": random_maps(0, shape), "bright": np.float32(IMAGES.sum(-1))}
    curves = draw_curves(small, IMAGES, maps, advance=lambda faces: None)
    values = areas(curves)
    assert ("random", "insertion_lead") not in values
    area = curves["deletion"]["bright"].similarity[1::2].mean(0)
    np.testing.assert_allclose(values["bright", "deletion"], area, rtol=1e-6)
    lead = values["random", "deletion"] - values["bright", "deletion"]
    np.testing.assert_array_equal(values["bright", "deletion_lead"], lead)
    passed = []
    found = leads_over_mean_map(small, IMAGES, {"bright": maps["bright"]}, values, advance=passed.append)
    assert sum(passed) == LEADS_PASSES * len(IMAGES)
    others = np.stack([np.delete(maps["bright"], face, 0).mean(0) for face in range(3)])
    for measure, curve, sign in (("insertion", insertion_curve, 1), ("deletion", deletion_curve, -1)):
        of_others = curve(small, IMAGES, others, fractions=AREA_FRACTIONS).area
        wanted = sign * (values["bright", measure] - of_others)
        np.testing.assert_allclose(found["bright", f"{measure}_lead_over_mean_map"], wanted, atol=1e-6)


def test_shares_of_what_the_learned_order_reaches():
    lead = "insertion_lead_over_mean_map"
    means = {("a", lead): 0.1, ("learned_order", lead): 0.4, ("a", "insertion"): 0.8}
    assert with_shares(means) == means | {
        ("a", "insertion_share"): pytest.approx(0.25),
        ("learned_order", "insertion_share"): 1,
    }
    assert np.isnan(with_shares(means | {("learned_order", lead): 0.0})["a", "insertion_share"])
    alone = {("a", lead): 0.1}
    assert with_shares(alone) == alone
