"""What an evaluation of scores found, as a picture, a Markdown table and JSON."""

import math
from typing import Any

import numpy as np

from pfiq_jax.evaluation.figure import cell, json_of
from pfiq_jax.evaluation.scores.error_versus_discard import perfect_area, perfect_error
from pfiq_jax.evaluation.scores.evaluate_scores import FIGURES, ScoresEvaluation
from pfiq_jax.plotting import new_figure


def plot_scores(evaluation: ScoresEvaluation, *, axes: Any = None) -> tuple[Any, Any]:
    """False non-match rate against the share of mated pairs discarded: a curve a score, and what none can beat.

    Args:
        evaluation: from ``evaluate_scores``.
        axes: matplotlib ``Axes`` to draw into; by default of a new figure, which is not pyplot's.

    Returns:
        The ``Figure`` and the ``Axes``.

    Raises:
        PfiqError: where matplotlib is missing.
    """
    if axes is None:
        axes = new_figure(7, 5).subplots()
    end = min(1.0, 2 * evaluation.discard)
    for name, figures in evaluation.scores.items():
        label = f"{name}, pAUC {figures.pauc.value:.3f}"
        (line,) = axes.step(figures.curve.discard, figures.curve.error, where="post", label=label)
        if name == "random":
            line.set(color="grey", linestyle=":")
    shares = np.linspace(0, end, 200)
    best = perfect_error(evaluation.start.value, shares)
    axes.plot(shares, best, color="black", linestyle="--", linewidth=1, label="theoretical best")
    axes.axvline(evaluation.discard, color="lightgrey", linewidth=1, zorder=0)
    axes.set(
        xlim=(0, end),
        ylim=(0, max(1.3 * evaluation.start.value, 0.01)),
        xlabel="share of mated pairs discarded, worst quality first",
        ylabel=f"false non-match rate at FMR {evaluation.fmr:g}",
    )
    for text in axes.legend(fontsize="small").get_texts():
        text.set_parse_math(False)  # names come from files
    return axes.figure, axes


def markdown_table(evaluation: ScoresEvaluation) -> str:
    """The figures with their intervals, best score first, and what they were measured on."""
    comparisons, start, share = evaluation.comparisons, evaluation.start, f"{100 * evaluation.discard:g}%"
    lines = [
        f"{len(comparisons.identities):,} faces of {comparisons.identities.max() + 1:,} people: "
        f"{len(comparisons.mated):,} mated and {comparisons.non_mated_count:,} non-mated pairs. At FMR "
        f"{evaluation.fmr:g}, a cosine of {evaluation.threshold:.4f}, the FNMR is {cell(start)}.",
        "",
        f"| score | pAUC to {share} | FNMR after {share} | RCE |",
        "|---|---:|---:|---:|",
    ]
    by_pauc = sorted(evaluation.scores.items(), key=lambda item: (math.isnan(item[1].pauc.value), item[1].pauc.value))
    for name, (pauc, fnmr, rce, _) in by_pauc:
        escaped = name.replace("|", "\\|")
        lines.append(f"| {escaped} | {cell(pauc)} | {cell(fnmr)} | {cell(rce)} |")
    best = perfect_area(start.value, evaluation.discard) / (evaluation.discard * start.value) if start.value else None
    lines += [
        "",
        f"pAUC: mean FNMR while up to {share} of the mated pairs are discarded, over the FNMR without discarding; "
        "lower is better, 1 is no gain" + (f", {best:.3f} the best possible." if best is not None else "."),
        "RCE: how far the faces that cause errors are those of low quality; higher is better, 0 is no relation. It "
        "counts false matches too, which on easy faces are most of the errors.",
        "In brackets: 95% intervals of a bootstrap over people.",
    ]
    return "\n".join(lines) + "\n"


def json_report(evaluation: ScoresEvaluation, default: str) -> dict[str, Any]:
    """The figures of all scores, as ``json_of`` has them."""
    rows = {name: {each: getattr(scored, each) for each in FIGURES} for name, scored in evaluation.scores.items()}
    return json_of(default, rows)
