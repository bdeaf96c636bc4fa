"""How activation maps vary over sets of faces, and how far single faces deviate from a set (AMVA)."""

from pfiq_jax.variation.comparison import DeviationScores, deviation, deviation_scores, difference_maps
from pfiq_jax.variation.findings import Findings, findings_of
from pfiq_jax.variation.region import ByRegion, MeanByRegion, by_region, central_face, mean_by_region
from pfiq_jax.variation.significance import PermutationTest, permutation_test, pool
from pfiq_jax.variation.study import Sets, Study, split, study_maps
from pfiq_jax.variation.study_files import FilesStudy, study_files
from pfiq_jax.variation.variation import Variation, merge, summarize
from pfiq_jax.variation.variation_file import load_variation

__all__ = [
    "ByRegion",
    "DeviationScores",
    "FilesStudy",
    "Findings",
    "MeanByRegion",
    "PermutationTest",
    "Sets",
    "Study",
    "Variation",
    "by_region",
    "central_face",
    "deviation",
    "deviation_scores",
    "difference_maps",
    "findings_of",
    "load_variation",
    "mean_by_region",
    "merge",
    "permutation_test",
    "pool",
    "split",
    "study_files",
    "study_maps",
    "summarize",
]
