"""Activation maps, and how they vary over sets of faces."""

from pfiq_jax.activations.comparison import DeviationScores, deviation, deviation_scores, difference_maps
from pfiq_jax.activations.fast import mean_activation, sampled_score_cam
from pfiq_jax.activations.methods import ACTIVATION_METHODS, DEFAULT_ACTIVATION_METHOD
from pfiq_jax.activations.region import ByRegion, MeanByRegion, by_region, central_face, mean_by_region
from pfiq_jax.activations.score_cam import score_cam
from pfiq_jax.activations.significance import PermutationTest, permutation_test, pool
from pfiq_jax.activations.variation import Variation, merge, summarize
from pfiq_jax.activations.variation_file import load_variation

__all__ = [
    "ACTIVATION_METHODS",
    "DEFAULT_ACTIVATION_METHOD",
    "ByRegion",
    "DeviationScores",
    "MeanByRegion",
    "PermutationTest",
    "Variation",
    "by_region",
    "central_face",
    "deviation",
    "deviation_scores",
    "difference_maps",
    "load_variation",
    "mean_activation",
    "mean_by_region",
    "merge",
    "permutation_test",
    "pool",
    "sampled_score_cam",
    "score_cam",
    "summarize",
]
