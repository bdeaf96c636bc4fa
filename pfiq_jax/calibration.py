"""The meaning of raw scores: a scale of 0 to 1, percentiles, and the probability that a mated pair fails to match.

SER-FIQ's published scale, alpha = 130 and r = 0.88, belongs to one network. On another network it can give every face
a score near 0, or every face a score near 1. ``Calibration.fit`` fits both numbers to a network: if raw scores follow
a logistic distribution with mode r and scale 1 / alpha, sigmoid(alpha (raw - r)) spreads them evenly over 0..1. The
fit maximises the likelihood of that distribution.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from pfiq_jax import pytrees
from pfiq_jax.errors import PfiqError

MIN_FACES = 20
STEPS = 100  # of L-BFGS, which has converged after about ten
TINY = 1e-30  # a logarithm of it is finite
LEAVES = ("alpha", "r", "percentiles", "fmr", "threshold", "failure")


@dataclass(frozen=True, eq=False)
class Calibration:
    """The meaning of one method's raw scores on one recogniser. It is saved with the weights.

    A pytree: the numbers are leaves, so a new fit does not recompile a program; ``reference`` is a description.

    Attributes:
        method: name of the quality method, as in ``QUALITY_METHODS``.
        alpha: slope of the scaled score ``sigmoid(alpha (raw - r))``, per unit of the raw score.
        r: raw score whose scaled score is 0.5.
        percentiles: raw scores of the reference faces at 0, 1, ..., 100 percent, ascending; empty if not known.
        reference: the reference faces, in words.
        fmr: false match rate of the threshold, or None if identities were not known.
        threshold: cosine similarity at which the false match rate is ``fmr``.
        failure: (intercept, slope) of the probability that the similarity of a mated pair lies below the threshold. It
            is ``sigmoid(intercept + slope alpha (raw - r))``, where raw is the lower score of its two faces.
    """

    method: str
    alpha: ArrayLike
    r: ArrayLike
    percentiles: ArrayLike
    reference: str
    fmr: ArrayLike | None = None
    threshold: ArrayLike | None = None
    failure: ArrayLike | None = None

    def __post_init__(self) -> None:
        for name in LEAVES:  # float32 like the parameters, so that tools treat all leaves of a recogniser alike
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.asarray(getattr(self, name), np.float32))

    @classmethod
    def fit(
        cls,
        method: str,
        raw_scores: ArrayLike,
        *,
        reference: str,
        pairs: ArrayLike | None = None,
        failed: ArrayLike | None = None,
        threshold: float | None = None,
        fmr: float | None = None,
    ) -> "Calibration":
        """Fits a scale and percentiles to raw scores and, with mated pairs, the probability that a pair fails.

        The identities of the faces are needed for this probability only. It is a logistic regression on
        ``alpha (raw - r)`` of the lower score of the pair's two faces, with Firth's penalty. The fit is finite even if
        the score separates failures from successes. If failures do not become rarer as the score rises, ``failure`` is
        None.

        Args:
            method: name of the quality method, as in ``QUALITY_METHODS``.
            raw_scores: (faces,), higher is better.
            reference: the faces, in words.
            pairs: (comparisons, 2) indices of the two faces of each mated pair.
            failed: (comparisons,) whether the similarity lies below the threshold.
            threshold: the cosine similarity from which two faces match.
            fmr: the false match rate of the threshold.

        Raises:
            PfiqError: for fewer than 20 faces, for scores that are not finite or all equal, and for pairs that all
                failed or all succeeded.

        Example:
            >>> raw = np.random.default_rng(0).logistic(loc=700, scale=100, size=500)
            >>> calibration = pfiq_jax.Calibration.fit("relative_norm", raw, reference="500 simulated faces")
            >>> round(float(calibration.r)), round(1 / float(calibration.alpha))
            (718, 101)
        """
        raw = np.asarray(raw_scores, np.float64)
        _check_scores(method, raw)
        centre, spread = float(np.mean(raw)), float(np.std(raw))
        standard = jnp.asarray((raw - centre) / spread, jnp.float32)
        log_slope, middle = _minimize(lambda fit: -_logistic_log_likelihood(fit, standard), (0.6, 0.0))
        alpha, r = float(np.exp(log_slope)) / spread, centre + middle * spread
        failure = None
        if pairs is not None and failed is not None:
            outcome = np.asarray(failed)
            if outcome.all() or not outcome.any():
                raise PfiqError(
                    f"{outcome.sum()} of {len(outcome)} mated pairs fail to match; give faces of which some pairs fail "
                    "and others succeed."
                )
            worse = jnp.asarray(alpha * (raw[np.asarray(pairs)].min(1) - r), jnp.float32)
            failure = _fit_failures(worse, jnp.asarray(outcome))
        return cls(method, alpha, r, np.percentile(raw, np.arange(101)), reference, fmr, threshold, failure)

    def scale(self, raw_scores: ArrayLike) -> Float[Array, "*batch"]:
        """Raw scores on a scale of 0 to 1; higher is better. Differentiable by the scores. NaN where one is not finite.

        Example:
            >>> round(float(pfiq_jax.PUBLISHED_SER_FIQ.scale(0.9)), 2)
            0.93
        """
        return jax.nn.sigmoid(self._logit(raw_scores))

    def percentile(self, raw_scores: ArrayLike) -> Float[Array, "*batch"]:
        """Share of the reference faces, 0 to 100, that have a lower score.

        Example:
            >>> calibration = pfiq_jax.find_calibration(recognizer, "relative_norm")
            >>> round(float(calibration.percentile(900.0)))
            82
        """
        known = _constant(self.percentiles)
        return jnp.interp(_float32(raw_scores), known, jnp.linspace(0, 100, len(known), dtype=jnp.float32))

    def failure_probability(self, raw_scores: ArrayLike) -> Float[Array, "*batch"] | None:
        """Probability, 0 to 1, that a mated pair fails to match if this is the lower score of its two faces.

        None if the calibration was fitted without identities, or if failures do not depend on the score.

        Example:
            >>> calibration = pfiq_jax.find_calibration(recognizer, "relative_norm")
            >>> [round(float(calibration.failure_probability(raw)), 2) for raw in (600.0, 700.0, 800.0)]
            [0.3, 0.1, 0.03]
        """
        if self.failure is None:
            return None
        intercept, slope = _constant(self.failure)
        return jax.nn.sigmoid(intercept + slope * self._logit(raw_scores))

    def _logit(self, raw_scores: ArrayLike) -> Float[Array, "*batch"]:
        raw = _float32(raw_scores)
        logit = _constant(self.alpha) * (raw - _constant(self.r))
        return jnp.where(jnp.isfinite(raw), logit, jnp.nan)  # a score that overflowed is not the best one


pytrees.register(
    Calibration,
    leaves=LEAVES,
    static=("method",),
    descriptions=("reference",),
)

PUBLISHED_SER_FIQ = Calibration(
    "ser_fiq_closed_form",
    130.0,
    0.88,
    np.zeros(0),
    "the published scale, which was fitted to another network",
)
"""The scale in the published code of SER-FIQ. On other networks it can give all faces scores near 0, or near 1."""

PUBLISHED: Mapping[str, Calibration] = types.MappingProxyType({PUBLISHED_SER_FIQ.method: PUBLISHED_SER_FIQ})
"""Scales that were published with a method, by the method's name."""


def _check_scores(method: str, raw: Float[np.ndarray, " faces"]) -> None:
    if len(raw) < MIN_FACES:
        raise PfiqError(f"{method} has {len(raw)} scores; give {MIN_FACES} faces or more.")
    if not np.isfinite(raw).all():
        raise PfiqError(f"{method} has {np.sum(~np.isfinite(raw))} scores that are not finite; remove these faces.")
    if np.ptp(raw) == 0:
        raise PfiqError(f"{method} gives all {len(raw)} faces the score {raw[0]:g}; give faces of different quality.")


def _float32(values: ArrayLike) -> Array:
    return jnp.asarray(values, jnp.float32)


def _constant(values: ArrayLike) -> Array:
    """A fitted number, without gradients, so that training does not change it."""
    return jax.lax.stop_gradient(_float32(values))


def _logistic_log_likelihood(fit: Float[Array, "2"], standard: Float[Array, " faces"]) -> Float[Array, ""]:
    log_slope, middle = fit
    z = jnp.exp(log_slope) * (standard - middle)
    return log_slope + jnp.mean(jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z))


def _fit_failures(
    worse: Float[Array, " comparisons"], failed: Bool[Array, " comparisons"]
) -> Float[np.ndarray, "2"] | None:
    """Intercept and slope of the logarithm of the odds of a failure; None unless the slope is negative."""
    centre, spread = jnp.mean(worse), jnp.std(worse)
    if jnp.ptp(worse) == 0:
        return None
    level, slope = _minimize(lambda fit: _failure_loss(fit, (worse - centre) / spread, failed), (0.0, -1.0))
    slope /= float(spread)
    return np.array((level - slope * float(centre), slope)) if slope < 0 else None


def _failure_loss(
    fit: Float[Array, "2"], worse: Float[Array, " comparisons"], failed: Bool[Array, " comparisons"]
) -> Float[Array, ""]:
    """The cross-entropy of a logistic regression with Firth's penalty (Jeffreys' prior), per comparison.

    Source: Heinze and Schemper, "A solution to the problem of separation in logistic regression", Statistics in
    Medicine 2002.
    """
    logit = fit[0] + fit[1] * worse
    weights = jax.nn.sigmoid(logit) * jax.nn.sigmoid(-logit)
    mean = jnp.sum(weights * worse) / (jnp.sum(weights) + TINY)
    spread = jnp.sum(weights * (worse - mean) ** 2)
    information = jnp.log(jnp.sum(weights) + TINY) + jnp.log(spread + TINY)
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logit, failed)) - information / (2 * len(worse))


def _minimize(loss: Callable[[Array], Array], start: tuple[float, float]) -> tuple[float, float]:
    """The two numbers that minimise a smooth convex loss."""
    solver = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    def step(carry: tuple[Array, optax.OptState], _: None) -> tuple[tuple[Array, optax.OptState], None]:
        fit, state = carry
        value, gradient = value_and_grad(fit, state=state)
        updates, state = solver.update(gradient, state, fit, value=value, grad=gradient, value_fn=loss)
        return (optax.apply_updates(fit, updates), state), None

    # optax mixes dtypes and ranks, which stricter callers forbid
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        first = jnp.asarray(start, jnp.float32)
        (fit, _), _ = jax.lax.scan(step, (first, solver.init(first)), length=STEPS)
    return float(fit[0]), float(fit[1])
