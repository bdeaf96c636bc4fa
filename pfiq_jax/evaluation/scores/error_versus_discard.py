"""The error-versus-discard characteristic (EDC): how the error rate falls as the worst images are discarded.

Source: ISO/IEC 29794-1; Grother and Tabassi, "Performance of Biometric Quality Measures", IEEE TPAMI 2007; Schlett et
al., "Considerations on the Evaluation of Biometric Quality Assessment Algorithms", 2023. The threshold is fixed before
anything is discarded.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pfiq_jax.errors import PfiqError


class ErrorVersusDiscard(NamedTuple):
    """A step curve: ``error[k]`` is the error rate from ``discard[k]`` up to ``discard[k + 1]``, exclusive.

    Attributes:
        discard: share of pairs discarded, rising from 0 to 1.
        error: error rate of the remaining pairs, in [0, 1]; lower is better. 0 if no pairs remain.
    """

    discard: Float[np.ndarray, " steps"]
    error: Float[np.ndarray, " steps"]

    def at(self, discard: float) -> float:
        """The error rate if at most this share of the pairs, in [0, 1], is discarded."""
        return float(self.error[np.searchsorted(self.discard, discard, side="right") - 1])


def error_versus_discard(
    errors: Bool[np.ndarray, " pairs"],
    qualities: Shaped[np.ndarray, " pairs"],
    weights: Int[np.ndarray, " pairs"] | None = None,
) -> ErrorVersusDiscard:
    """The error rate of the remaining pairs as the pairs of lowest quality are discarded, equal qualities together.

    Args:
        errors: whether each pair is an error: for the FNMR, a mated pair with a similarity below the threshold.
        qualities: of each pair, the lower quality of its two images; higher is better.
        weights: how often each pair counts, 0 or more; by default once.

    Raises:
        PfiqError: if no pair counts.
    """
    if weights is None:
        weights = np.ones(len(errors), np.int64)
    at = np.flatnonzero(weights)
    at = at[np.argsort(qualities[at], kind="stable")]  # fast if they are already sorted, as in a bootstrap
    if not len(at):
        raise PfiqError("there are no pairs to count errors among; give one or more.")
    starts = np.flatnonzero(np.diff(qualities[at], prepend=np.nan) != 0)
    counts = np.add.reduceat(weights[at], starts)
    wrong = np.add.reduceat(weights[at] * errors[at], starts)
    left = np.cumsum(counts[::-1])[::-1]
    wrong_left = np.cumsum(wrong[::-1])[::-1]
    total = left[0]
    return ErrorVersusDiscard(np.append((total - left) / total, 1.0), np.append(wrong_left / left, 0.0))


def partial_area(curve: ErrorVersusDiscard, limit: float, *, trapezoid: bool = False) -> float:
    """Area under the curve (pAUC) from nothing discarded up to ``limit``; lower is better.

    Args:
        curve: the error rates.
        limit: share of pairs discarded, in (0, 1].
        trapezoid: use straight lines between the points, as many programs do, instead of the steps of ISO/IEC 29794-1.

    Returns:
        The raw area, in [0, limit]. Tables that list "pAUC x 10^3" list this area.
    """
    _check_limit(limit)
    x = np.minimum(curve.discard, limit)
    if not trapezoid:
        return float(np.sum(np.diff(x) * curve.error[:-1]))
    return float(np.trapezoid(np.interp(x, curve.discard, curve.error), x))


def normalized_partial_area(curve: ErrorVersusDiscard, limit: float) -> float:
    """The stepwise pAUC divided by ``limit`` and by the error rate without discarding; lower is better.

    Returns:
        1 if discarding does not change the error rate, more than 1 if it increases it; at best ``perfect_area`` divided
        by the same numbers. NaN if there are no errors without discarding.
    """
    area = partial_area(curve, limit)
    return area / (limit * float(curve.error[0])) if curve.error[0] else float("nan")


def perfect_error(start: float, discard: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The lowest error rate that any score can reach: the pairs that are errors are discarded first.

    Args:
        start: error rate without discarding, in [0, 1].
        discard: shares of pairs discarded, in [0, 1].
    """
    return np.maximum(start - discard, 0) / np.maximum(1 - discard, np.finfo(np.float64).tiny)


def perfect_area(start: float, limit: float) -> float:
    """Area under ``perfect_error`` up to ``limit``; a perfect score reaches it, up to the steps of its curve."""
    _check_limit(limit)
    end = min(start, limit)
    return end if start == 1 else end + (1 - start) * float(np.log1p(-end))


def theoretical_best_area(start: float, limit: float) -> float:
    """The "theoretical best" that fiqat's tables subtract from a pAUC: the area under ``start - discard``.

    ``start - discard`` divides the errors by all pairs instead of the remaining pairs. The area is therefore below
    ``perfect_area``, and no score reaches it.

    References:
        Schlett et al., 2023.
    """
    _check_limit(limit)
    return start**2 / 2 - max(start - limit, 0) ** 2 / 2


def _check_limit(limit: float) -> None:
    if not 0 < limit <= 1:
        raise PfiqError(f"the share of pairs to discard is {limit}; give a number above 0, at most 1.")
