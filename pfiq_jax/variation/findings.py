"""The findings of a study of activation maps: its numbers, and the paper's two findings in words.

Source: Fu and Damer, WACVW 2022.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pfiq_jax.variation.region import MeanByRegion, Region, mean_by_region
from pfiq_jax.variation.study import Study

SIGNIFICANT = 0.05
TITLES = {
    "mean": "mean",
    "std": "standard deviation",
    "median": "median",
    "squared_deviation_spread": "spread of squared deviations",
}
"""The statistics of a set, in words."""


class Means(NamedTuple):
    """The means of one statistic of both sets, inside and outside the central face."""

    high: MeanByRegion
    low: MeanByRegion


class Correlation(NamedTuple):
    """Spearman's rank correlation, and the probability of a correlation as strong as this by chance."""

    statistic: float
    p_value: float


class Findings(NamedTuple):
    """The numbers that a study found.

    Attributes:
        means: by statistic, one of ``TITLES``.
        difference: mean over the pixels outside the central face of ``std_low - std_high``.
        p_value: of this difference; see ``PermutationTest``.
        cells_significant: share of the cells in which faces of low quality vary significantly more.
        deviation: correlation of the mean deviation and the score of the single faces.
        deviation_outside: the same with the mean deviation outside the central face.
    """

    means: dict[str, Means]
    difference: float
    p_value: float
    cells_significant: float
    deviation: Correlation
    deviation_outside: Correlation

    def numbers(self) -> dict[str, float]:
        """All numbers by name; those of a statistic are named STATISTIC_PLACE_SET."""
        numbers = {
            f"{name}_{place}_{label}": getattr(means, place)
            for name, of_sets in self.means.items()
            for label, means in of_sets._asdict().items()
            for place in ("inside", "outside")
        }
        return numbers | {
            "std_outside_low_minus_high": self.difference,
            "std_outside_p_value": self.p_value,
            "cells_significant": self.cells_significant,
            "deviation_correlation": self.deviation.statistic,
            "deviation_p_value": self.deviation.p_value,
            "deviation_outside_correlation": self.deviation_outside.statistic,
            "deviation_outside_p_value": self.deviation_outside.p_value,
        }

    def sentences(self, score: str) -> list[str]:
        """The paper's two findings, each confirmed or not confirmed, with its numbers.

        Args:
            score: the name of the score.
        """
        std, whole = self.means["std"], self.deviation
        varies = _verdict(self.p_value < SIGNIFICANT)
        deviates = _verdict(whole.statistic < 0 and whole.p_value < SIGNIFICANT)
        return [
            f"Low-quality faces vary more outside the central face than high-quality ones: {varies}. The mean standard "
            f"deviation of a pixel there is {std.low.outside:.3f} for low and {std.high.outside:.3f} for high quality "
            f"(permutation test, p = {self.p_value:.3g}).",
            f"A single face's deviation from the mean map of good faces indicates its quality: {deviates}. The rank "
            f"correlation of deviation and {score} is {whole.statistic:.3f} (p = {whole.p_value:.2g}; negative is "
            f"expected), outside the central face {self.deviation_outside.statistic:.3f}.",
        ]

    def rows(self) -> list[list[str]]:
        """A table of the means, with a line of headings."""
        rows = [["mean of a pixel's", "high, inside", "low, inside", "high, outside", "low, outside"]]
        for name, (high, low) in self.means.items():
            numbers = (high.inside, low.inside, high.outside, low.outside)
            rows.append([TITLES[name], *(f"{number:.4f}" for number in numbers)])
        return rows


def findings_of(found: Study, scores: Float[np.ndarray, " faces"], region: Region) -> Findings:
    """The findings of a study.

    Args:
        found: the study.
        scores: of ``found.others``, higher is better.
        region: the central face.
    """
    from scipy.stats import spearmanr  # takes long to import

    def means(name: str) -> Means:
        return Means(*(mean_by_region(getattr(variation, name), region) for variation in (found.high, found.low)))

    def correlation(deviations: np.ndarray) -> Correlation:
        result = spearmanr(deviations, scores)
        return Correlation(float(result.statistic), float(result.pvalue))

    return Findings(
        {name: means(name) for name in TITLES},
        found.test.difference,
        found.test.p_value,
        float(np.mean(found.test.cell_p_values < SIGNIFICANT)),
        correlation(found.deviations.whole),
        correlation(found.deviations.outside),
    )


def _verdict(holds: bool) -> str:
    return "confirmed" if holds else "not confirmed"
