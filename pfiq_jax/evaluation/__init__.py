"""Evaluations of quality scores against the errors of a recogniser, and of pixel maps."""

from pfiq_jax.evaluation.bootstrap import bootstrap, mean_estimates
from pfiq_jax.evaluation.controls import RANDOM, detail_maps, mean_maps, random_maps, random_scores
from pfiq_jax.evaluation.estimate import Estimate, json_of
from pfiq_jax.evaluation.maps.covers import COVERS, MAIN_COVERS, cover
from pfiq_jax.evaluation.maps.deletion_insertion import Curve, deletion_curve, insertion_curve
from pfiq_jax.evaluation.maps.evaluate_maps import MapsEvaluation, evaluate_maps
from pfiq_jax.evaluation.maps.explained import explain_faces
from pfiq_jax.evaluation.maps.inpainting import (
    INPAINTING_MEASURES,
    InpaintingEvaluation,
    evaluate_inpainting,
    inpaint,
)
from pfiq_jax.evaluation.maps.localisation import auroc, covered_face, pooled_auroc
from pfiq_jax.evaluation.maps.map_measures import MAP_MEASURES
from pfiq_jax.evaluation.maps.masks import MASK_MEASURES, MasksEvaluation, evaluate_masks
from pfiq_jax.evaluation.maps.occlusions import OCCLUSIONS, occlude
from pfiq_jax.evaluation.maps.pair_test import covered_pair, pair_test
from pfiq_jax.evaluation.maps.pictures import plot_inpainting, plot_maps, plot_masks
from pfiq_jax.evaluation.maps.report import inpainting_table, maps_table, masks_table
from pfiq_jax.evaluation.maps.sanity import mean_map_r2, noisy, randomized, rank_correlation
from pfiq_jax.evaluation.measure import Measure
from pfiq_jax.evaluation.scores.comparisons import (
    FMR,
    Comparisons,
    compare_all_pairs,
    support_warning,
    threshold_at_fmr,
)
from pfiq_jax.evaluation.scores.error_versus_discard import (
    ErrorVersusDiscard,
    error_versus_discard,
    normalized_partial_area,
    partial_area,
    perfect_area,
    perfect_error,
    theoretical_best_area,
)
from pfiq_jax.evaluation.scores.evaluate_scores import SCORE_MEASURES, ScoresEvaluation, evaluate_scores
from pfiq_jax.evaluation.scores.published_curves import (
    DISCARD_SHARES,
    cr_fiqa_area,
    cr_fiqa_curve,
    magface_curve,
)
from pfiq_jax.evaluation.scores.rank_consistency import harm, margins, rank_consistency
from pfiq_jax.evaluation.scores.report import plot_scores, scores_table
from pfiq_jax.evaluation.scores.score_table import read_scores

__all__ = [
    "COVERS",
    "DISCARD_SHARES",
    "FMR",
    "INPAINTING_MEASURES",
    "MAIN_COVERS",
    "MAP_MEASURES",
    "MASK_MEASURES",
    "OCCLUSIONS",
    "RANDOM",
    "SCORE_MEASURES",
    "Comparisons",
    "Curve",
    "ErrorVersusDiscard",
    "Estimate",
    "InpaintingEvaluation",
    "MapsEvaluation",
    "MasksEvaluation",
    "Measure",
    "ScoresEvaluation",
    "auroc",
    "bootstrap",
    "compare_all_pairs",
    "cover",
    "covered_face",
    "covered_pair",
    "cr_fiqa_area",
    "cr_fiqa_curve",
    "deletion_curve",
    "detail_maps",
    "error_versus_discard",
    "evaluate_inpainting",
    "evaluate_maps",
    "evaluate_masks",
    "evaluate_scores",
    "explain_faces",
    "harm",
    "inpaint",
    "inpainting_table",
    "insertion_curve",
    "json_of",
    "magface_curve",
    "maps_table",
    "margins",
    "masks_table",
    "mean_estimates",
    "mean_map_r2",
    "mean_maps",
    "noisy",
    "normalized_partial_area",
    "occlude",
    "pair_test",
    "partial_area",
    "perfect_area",
    "perfect_error",
    "plot_inpainting",
    "plot_maps",
    "plot_masks",
    "plot_scores",
    "pooled_auroc",
    "random_maps",
    "random_scores",
    "randomized",
    "rank_consistency",
    "rank_correlation",
    "read_scores",
    "scores_table",
    "support_warning",
    "theoretical_best_area",
    "threshold_at_fmr",
]
