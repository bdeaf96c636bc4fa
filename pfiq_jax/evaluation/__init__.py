"""Is the score right, is the map right."""

from pfiq_jax.evaluation.bootstrap import Intervals, bootstrap
from pfiq_jax.evaluation.comparisons import Comparisons, compare_all_pairs, support_warning, threshold_at_fmr
from pfiq_jax.evaluation.error_versus_discard import (
    ErrorVersusDiscard,
    error_versus_discard,
    normalized_partial_area,
    partial_area,
    perfect_area,
    perfect_error,
    theoretical_best_area,
)
from pfiq_jax.evaluation.published_curves import DISCARD, cr_fiqa_area, cr_fiqa_curve, magface_curve
from pfiq_jax.evaluation.rank_consistency import harm, margins, rank_consistency
from pfiq_jax.evaluation.score_report import json_report, markdown_table, plot_scores
from pfiq_jax.evaluation.score_table import read_scores
from pfiq_jax.evaluation.scores import Figure, ScoreFigures, ScoresEvaluation, evaluate_scores

__all__ = [
    "DISCARD",
    "Comparisons",
    "ErrorVersusDiscard",
    "Figure",
    "Intervals",
    "ScoreFigures",
    "ScoresEvaluation",
    "bootstrap",
    "compare_all_pairs",
    "cr_fiqa_area",
    "cr_fiqa_curve",
    "error_versus_discard",
    "evaluate_scores",
    "harm",
    "json_report",
    "magface_curve",
    "margins",
    "markdown_table",
    "normalized_partial_area",
    "partial_area",
    "perfect_area",
    "perfect_error",
    "plot_scores",
    "rank_consistency",
    "read_scores",
    "support_warning",
    "theoretical_best_area",
    "threshold_at_fmr",
]
