"""The report of an evaluation of scores: a picture and a Markdown table."""

import math
from typing import Any

import numpy as np

from pfiq_jax.evaluation.controls import RANDOM
from pfiq_jax.evaluation.estimate import cell
from pfiq_jax.evaluation.measure import INTERVALS, MARKS, legend, measure_tables
from pfiq_jax.evaluation.scores.error_versus_discard import perfect_area, perfect_error
from pfiq_jax.evaluation.scores.evaluate_scores import SCORE_MEASURES, ScoresEvaluation
from pfiq_jax.plot_style import legend_right, line_styles, new_figure

BEST = "theoretical best"


def plot_scores(evaluation: ScoresEvaluation, *, axes: Any = None) -> tuple[Any, Any]:
    """False non-match rate against the share of mated pairs discarded, a curve per score and the best possible curve.

    Args:
        evaluation: from ``evaluate_scores``.
        axes: matplotlib ``Axes`` to draw into; by default those of a new figure, which pyplot does not manage.

    Returns:
        The ``Figure`` and the ``Axes``.

    Raises:
        PfiqError: if matplotlib is not installed.
    """
    if axes is None:
        axes = new_figure(9, 5).subplots()
    end, start = min(1.0, 2 * evaluation.discard), float(evaluation.start.value)
    by_pauc = _best_first(evaluation)
    styles = line_styles([BEST, *by_pauc], controls=(BEST, RANDOM))
    shares = np.linspace(0, end, 200)
    axes.plot(shares, perfect_error(start, shares), label=BEST, **styles[BEST])
    for name in by_pauc:
        curve, label = evaluation.curves[name], f"{name}, pAUC {evaluation.estimates[name]['pauc'].value:.3f}"
        axes.step(curve.discard, curve.error, where="post", label=label, **styles[name])
    axes.axvline(evaluation.discard, color="lightgrey", linewidth=1, zorder=0)
    axes.set(
        xlim=(0, end),
        ylim=(0, max(1.3 * start, 0.01)),
        xlabel="share of mated pairs discarded, worst quality first",
        ylabel=f"false non-match rate at FMR {evaluation.fmr:g}",
    )
    legend_right(axes)
    return axes.figure, axes


def scores_table(evaluation: ScoresEvaluation) -> str:
    """All estimates in Markdown, best score first, with the numbers of pairs and a legend."""
    comparisons, start = evaluation.comparisons, evaluation.start
    share = f"{100 * evaluation.discard:g}%"
    by_pauc = {name: evaluation.estimates[name] for name in _best_first(evaluation)}
    lines = [
        f"{len(comparisons.identities):,} faces of {comparisons.identities.max() + 1:,} people: "
        f"{len(comparisons.mated):,} mated and {comparisons.non_mated_count:,} non-mated pairs. At FMR "
        f"{evaluation.fmr:g}, a cosine of {evaluation.threshold:.4f}, the FNMR is {cell(start)}. Up to {share} of the "
        f"mated pairs are discarded. {INTERVALS} {MARKS}",
        "",
        *measure_tables(SCORE_MEASURES, by_pauc),
        "",
        legend(SCORE_MEASURES),
    ]
    if start.value:
        best = perfect_area(float(start.value), evaluation.discard) / (evaluation.discard * start.value)
        lines += ["", f"The best possible pauc is {best:.3f}."]
    return "\n".join(lines) + "\n"


def _best_first(evaluation: ScoresEvaluation) -> list[str]:
    """The names of the scores, ordered by pAUC; scores with an undefined pAUC are last."""
    paucs = {name: estimates["pauc"].value for name, estimates in evaluation.estimates.items()}
    return sorted(paucs, key=lambda name: (math.isnan(paucs[name]), paucs[name]))
