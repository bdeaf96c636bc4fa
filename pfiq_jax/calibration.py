"""From raw scores to what they mean: a scale of 0 to 1, a percentile, the probability of a failed comparison.

SER-FIQ's published scale, alpha = 130 and r = 0.88, belongs to one network; on others it gives all faces 0 or all 1.
Here both are fitted: a raw score that follows the logistic distribution with mode r and scale 1 / alpha is spread
evenly over 0..1 by sigmoid(alpha (raw - r)), so its likelihood is what is maximised.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from pfiq_jax.errors import PfiqError

MIN_FACES = 20
STEPS = 100  # of L-BFGS, which has converged after about ten


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


def calibrate(
    method: str,
    raw_scores: ArrayLike,
    *,
    reference: str,
    pairs: ArrayLike | None = None,
    failed: ArrayLike | None = None,
    threshold: float | None = None,
    fmr: float | None = None,
) -> Calibration:
    """Fits what a method's scores mean on a recogniser, from faces whose identities need not be known.

    With mated comparisons and which of them failed, the probability of failure is fitted too (logistic regression on
    the scaled score of the worse face, before its sigmoid).

    Args:
        method: name of the quality method, as in ``QUALITY_METHODS``.
        raw_scores: (faces,), higher is better.
        reference: what the faces were, in words.
        pairs: (comparisons, 2) indices of mated faces.
        failed: (comparisons,) whether each lies below the working threshold.
        threshold: that threshold.
        fmr: its false match rate.

    Raises:
        PfiqError: for fewer than 20 faces, scores that are not finite or all the same, comparisons that all failed
            or all succeeded.
    """
    raw = np.asarray(raw_scores, np.float64)
    if len(raw) < MIN_FACES or not np.isfinite(raw).all() or np.ptp(raw) == 0:
        raise PfiqError(f"{method} has {len(raw)} scores, all alike or not all finite; give {MIN_FACES} faces or more.")
    centre, spread = float(np.mean(raw)), float(np.std(raw))
    standard = jnp.asarray((raw - centre) / spread, jnp.float32)
    log_slope, middle = _minimize(lambda fit: -_logistic_log_likelihood(fit, standard), (0.6, 0.0))
    alpha, r = float(np.exp(log_slope)) / spread, centre + middle * spread
    failure = None
    if pairs is not None and failed is not None:
        outcome = np.asarray(failed)
        if outcome.all() or not outcome.any():
            raise PfiqError(f"{outcome.sum()} of {len(outcome)} mated comparisons fail; give faces of which some do.")
        worse = jnp.asarray(alpha * (raw[np.asarray(pairs)].min(1) - r), jnp.float32)
        failure = _minimize(lambda fit: _failure_loss(fit, worse, jnp.asarray(outcome)), (0.0, -1.0))
    percentiles = tuple(float(f"{each:.7g}") for each in np.percentile(raw, np.arange(101)))
    return Calibration(method, alpha, r, percentiles, reference, fmr, threshold, failure)


def scale(raw_scores: ArrayLike, calibration: Calibration) -> Float[Array, "*batch"]:
    """Raw scores on a scale of 0 to 1; higher is better. Differentiable."""
    return jax.nn.sigmoid(calibration.alpha * (jnp.asarray(raw_scores, jnp.float32) - calibration.r))


def percentile(raw_scores: ArrayLike, calibration: Calibration) -> Float[Array, "*batch"]:
    """The share of the reference faces, 0 to 100, that score lower."""
    known = jnp.asarray(calibration.percentiles, jnp.float32)
    return jnp.interp(jnp.asarray(raw_scores, jnp.float32), known, jnp.linspace(0, 100, len(known)))


def failure_probability(raw_scores: ArrayLike, calibration: Calibration) -> Float[Array, "*batch"] | None:
    """The probability, 0 to 1, that a mated comparison fails at the working threshold where this face is its worse one.

    None where the calibration knew no identities.
    """
    if calibration.failure is None:
        return None
    intercept, slope = calibration.failure
    return jax.nn.sigmoid(
        intercept + slope * calibration.alpha * (jnp.asarray(raw_scores, jnp.float32) - calibration.r)
    )


def _logistic_log_likelihood(fit: Float[Array, "2"], standard: Float[Array, " faces"]) -> Float[Array, ""]:
    log_slope, middle = fit
    z = jnp.exp(log_slope) * (standard - middle)
    return log_slope + jnp.mean(jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z))


def _failure_loss(
    fit: Float[Array, "2"], worse: Float[Array, " comparisons"], failed: Bool[Array, " comparisons"]
) -> Float[Array, ""]:
    return jnp.mean(optax.sigmoid_binary_cross_entropy(fit[0] + fit[1] * worse, failed))


def _minimize(loss: Callable[[Array], Array], start: tuple[float, float]) -> tuple[float, float]:
    """Both numbers that minimise a smooth convex loss."""
    solver = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    def step(carry, _):
        fit, state = carry
        value, gradient = value_and_grad(fit, state=state)
        updates, state = solver.update(gradient, state, fit, value=value, grad=gradient, value_fn=loss)
        return (optax.apply_updates(fit, updates), state), None

    # optax mixes dtypes and ranks, which stricter callers forbid
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        first = jnp.asarray(start, jnp.float32)
        (fit, _), _ = jax.lax.scan(step, (first, solver.init(first)), length=STEPS)
    return float(fit[0]), float(fit[1])
