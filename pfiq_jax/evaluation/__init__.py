"""Is the score right, is the map right."""

from pfiq_jax.evaluation.bootstrap import Intervals, bootstrap
from pfiq_jax.evaluation.figure import Figure
from pfiq_jax.evaluation.maps.deletion_insertion import Curve, deletion_curve, insertion_curve, random_maps
from pfiq_jax.evaluation.maps.disturbances import inpaint, masks_experiment, occlude
from pfiq_jax.evaluation.maps.evaluate_maps import MapsEvaluation, evaluate_maps
from pfiq_jax.evaluation.maps.explained import explain_faces
from pfiq_jax.evaluation.maps.report import maps_table, plot_faces, plot_maps
from pfiq_jax.evaluation.maps.sanity import noisy, randomized, rank_correlation
from pfiq_jax.evaluation.scores.comparisons import Comparisons, compare_all_pairs, support_warning, threshold_at_fmr
from pfiq_jax.evaluation.scores.error_versus_discard import (
    ErrorVersusDiscard,
    error_versus_discard,
    normalized_partial_area,
    partial_area,
    perfect_area,
    perfect_error,
    theoretical_best_area,
)
from pfiq_jax.evaluation.scores.evaluate_scores import ScoreFigures, ScoresEvaluation, evaluate_scores
from pfiq_jax.evaluation.scores.published_curves import DISCARD, cr_fiqa_area, cr_fiqa_curve, magface_curve
from pfiq_jax.evaluation.scores.rank_consistency import harm, margins, rank_consistency
from pfiq_jax.evaluation.scores.report import json_report, markdown_table, plot_scores
from pfiq_jax.evaluation.scores.score_table import read_scores

__all__ = [
    "DISCARD",
    "Comparisons",
    "Curve",
    "ErrorVersusDiscard",
    "Figure",
    "Intervals",
    "MapsEvaluation",
    "ScoreFigures",
    "ScoresEvaluation",
    "bootstrap",
    "compare_all_pairs",
    "cr_fiqa_area",
    "cr_fiqa_curve",
    "deletion_curve",
    "error_versus_discard",
    "evaluate_maps",
    "evaluate_scores",
    "explain_faces",
    "harm",
    "inpaint",
    "insertion_curve",
    "json_report",
    "magface_curve",
    "maps_table",
    "margins",
    "markdown_table",
    "masks_experiment",
    "noisy",
    "normalized_partial_area",
    "occlude",
    "partial_area",
    "perfect_area",
    "perfect_error",
    "plot_faces",
    "plot_maps",
    "plot_scores",
    "random_maps",
    "randomized",
    "rank_consistency",
    "rank_correlation",
    "read_scores",
    "support_warning",
    "theoretical_best_area",
    "threshold_at_fmr",
]
