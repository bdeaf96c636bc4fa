"""How activation maps vary over sets of faces, and how far a single face is from a set."""

from pfiq_jax.variation.comparison import DeviationScores, deviation, deviation_scores, difference_maps
from pfiq_jax.variation.region import ByRegion, MeanByRegion, by_region, central_face, mean_by_region
from pfiq_jax.variation.significance import PermutationTest, permutation_test, pool
from pfiq_jax.variation.variation import Variation, merge, summarize
from pfiq_jax.variation.variation_file import load_variation

__all__ = [
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
    "mean_by_region",
    "merge",
    "permutation_test",
    "pool",
    "summarize",
]
