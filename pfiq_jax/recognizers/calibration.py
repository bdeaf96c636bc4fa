"""What the scores of one quality method mean on one recogniser; it travels with the weights."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Calibration:
    """The scale of a method's raw scores, fitted to a recogniser by ``pfiq_jax.calibrate``.

    Attributes:
        method: name of the quality method, as in ``QUALITY_METHODS``.
        alpha: slope of the scaled score ``sigmoid(alpha (raw - r))``, per unit of the raw score.
        r: raw score at which the scaled one is 0.5.
        percentiles: raw scores of the reference faces at 0, 1, ..., 100 percent, ascending.
        reference: what the reference faces were, in words.
        fmr: false match rate of the working threshold, or None where identities were unknown.
        threshold: cosine at which that rate is met.
        failure: (intercept, slope) of the probability that a mated comparison falls below the threshold,
            ``sigmoid(intercept + slope alpha (raw - r))`` of the worse of its two faces.
    """

    method: str
    alpha: float
    r: float
    percentiles: tuple[float, ...]
    reference: str
    fmr: float | None = None
    threshold: float | None = None
    failure: tuple[float, float] | None = None
