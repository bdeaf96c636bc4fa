"""The error-versus-reject curves that CR-FIQA and MagFace publish. They are not EDCs of a fixed threshold.

Both compute a new threshold from every remaining subset, and discard mated and non-mated pairs alike. Compare their
values with published tables, not with ``error_versus_discard``.

Source: the evaluation codes of Boutros et al., CVPR 2023 (also of GraFIQs and ViT-FIQA) and Meng et al., CVPR 2021.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

DISCARD_SHARES = np.arange(0, 0.98, 0.05)
"""The shares of pairs that both codes discard: 0, 0.05, ..., 0.95."""


def cr_fiqa_curve(
    similarities: Float[np.ndarray, " pairs"],
    mated: Bool[np.ndarray, " pairs"],
    qualities: Float[np.ndarray, " pairs"],
    fmr: float,
) -> Float[np.ndarray, "20"]:
    """FNMR after discarding each share of ``DISCARD_SHARES``, as CR-FIQA's code computes it.

    NaN for subsets without mated or without non-mated pairs.

    The code calls the threshold fixed, which is misleading. On every subset it is the angle of the pair whose false
    match rate is nearest to ``fmr``, and the smallest angle of several. A non-mated pair at the threshold counts as a
    match, and a mated pair at the threshold as a non-match.

    Args:
        similarities: cosines of the pairs, in [-1, 1].
        mated: whether each pair is of one person.
        qualities: of each pair, the lower quality of its two images; higher is better. Equal qualities are discarded in
            NumPy's order.
        fmr: desired false match rate; with few non-mated pairs the nearest possible rate may be far from it.
    """

    def fnmr(angles: np.ndarray, is_mated: np.ndarray) -> float:
        thresholds = np.unique(angles)[::-1]
        matches = np.searchsorted(np.sort(angles[~is_mated]), thresholds, side="right")
        threshold = thresholds[np.argmin(np.abs(matches / np.sum(~is_mated) - fmr))]
        return 1 - np.mean(angles[is_mated] < threshold)

    return _curve(similarities, mated, qualities, fnmr)


def cr_fiqa_area(curve: Float[np.ndarray, "20"]) -> float:
    """The AUC in CR-FIQA's tables: trapezoids over all ``DISCARD_SHARES``; lower is better."""
    return float(np.trapezoid(curve, DISCARD_SHARES))


def magface_curve(
    similarities: Float[np.ndarray, " pairs"],
    mated: Bool[np.ndarray, " pairs"],
    qualities: Float[np.ndarray, " pairs"],
) -> Float[np.ndarray, "20"]:
    """FNMR at FMR 1e-3 after discarding each share of ``DISCARD_SHARES``, as MagFace's code computes it.

    On every subset the threshold is the angle of rank ``(n - 1) // 1000`` among n non-mated pairs. For 1,000 pairs or
    fewer it is the smallest angle, at which there is no false match. For 100 pairs or fewer, the code leaves the point
    out; here it is NaN.

    Args:
        similarities: cosines of the pairs, in [-1, 1].
        mated: whether each pair is of one person.
        qualities: of each pair, the lower quality of its two images; higher is better. Equal qualities are discarded in
            NumPy's order.
    """

    def fnmr(angles: np.ndarray, is_mated: np.ndarray) -> float:
        others = np.sort(angles[~is_mated])
        if len(others) <= 100:
            return float("nan")
        return np.mean(angles[is_mated] >= others[(len(others) - 1) // 1000])

    return _curve(similarities, mated, qualities, fnmr)


def _curve(
    similarities: np.ndarray,
    mated: np.ndarray,
    qualities: np.ndarray,
    fnmr: Callable[[np.ndarray, np.ndarray], float],
) -> np.ndarray:
    order = np.argsort(qualities)
    angles = np.arccos(np.clip(similarities, -1, 1)) / np.pi
    curve = np.full(len(DISCARD_SHARES), np.nan)
    for index, share in enumerate(DISCARD_SHARES):
        part = order[int(share * len(order)) :]
        if mated[part].any() and not mated[part].all():
            curve[index] = fnmr(angles[part], mated[part])
    return curve
