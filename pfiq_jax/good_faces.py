"""The reference of good faces: statistics at each place of an aligned face, which deficits are relative to.

A place of a face lacks something if it contributes less to the embedding than the same place of good faces, or if its
features differ from those of good faces. Both are measured in standard deviations of good faces: the log of the
contribution at each resolution, and the Mahalanobis distance of the features (PaDiM). Their sum is the evidence. The
deficit is the share of good faces that have less evidence at this place.

Source: Defard et al., "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and Localization", 2021,
section III, here with principal components in place of random channels. The rest is introduced here.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pfiq_jax import pytrees
from pfiq_jax.bounds import relu
from pfiq_jax.errors import PfiqError
from pfiq_jax.vectors import norm

LEAVES = ("log_contributions", "basis", "centre", "whitening", "distance", "evidence", "quantiles")
MIN_FACES = 100
DIMS = 32  # principal components of the features; 64 find covers better by 0.01, at four times the size
SHRINKAGE = 0.1  # added to the covariances, whose mean over all places is 1
DISTANCE_WEIGHT = 2.0  # in the evidence; that of the contributions at one resolution is 1
Numbers: TypeAlias = Array | np.ndarray
LOGITS = np.linspace(-8, 8, 65, dtype=np.float32)  # of the shares at which the evidence's quantiles are kept


@dataclass(frozen=True, eq=False)
class GoodFaces:
    """The reference of good faces on one recogniser: statistics at each place. It is saved with the weights.

    A pytree: the numbers are leaves, so a new fit does not recompile a program; ``reference`` is a description. The
    values of all large arrays fit into float16, which keeps weights files small: 0.5 MB for the bundled network.

    Attributes:
        log_contributions: for each resolution, (2, rows, columns): mean and standard deviation.
        basis: (channels, dims): the features' principal directions, scaled to a variance of 1.
        centre: (rows, columns, dims): mean of the features in this basis.
        whitening: (rows, columns, dims, dims): matrices that scale deviations from the centre to a variance of 1.
        distance: (2, rows, columns): mean and standard deviation of the distance from the centre.
        evidence: (2, height, width): mean and standard deviation of the evidence.
        quantiles: of the evidence in standard deviations, over all places, at the shares ``sigmoid(LOGITS)``.
        reference: the good faces, in words.
    """

    log_contributions: Sequence[Numbers]
    basis: Numbers
    centre: Numbers
    whitening: Numbers
    distance: Numbers
    evidence: Numbers
    quantiles: Numbers
    reference: str

    @classmethod
    def fit(
        cls,
        log_contributions: Sequence[Float[np.ndarray, "faces _ _"]],
        features: Float[np.ndarray, "faces rows columns channels"],
        size: tuple[int, int],
        *,
        reference: str,
    ) -> "GoodFaces":
        """Fits the reference to good faces.

        The Gaussians of the features are fitted to the first half of the faces, and all other numbers to the second
        half, since faces and people that a Gaussian was fitted to are nearer to its centre than new ones. The halves
        should therefore show different people.

        Args:
            log_contributions: one array per resolution; see ``pfiq_jax/maps/contribution.py``.
            features: features of the layer for which distances are computed.
            size: height and width of the images.
            reference: the faces, in words.

        Raises:
            PfiqError: for fewer than 100 faces.
        """
        if len(features) < MIN_FACES:
            raise PfiqError(f"there are {len(features)} good faces; give {MIN_FACES} or more.")
        half = len(features) // 2
        basis = _stored(_principal_directions(features[:half]))
        inside = features[:half].astype(np.float32) @ basis
        gaussian = basis, (centre := _stored(inside.mean(0))), _stored(_whitening(inside - centre))
        new_logs = [logs[half:].astype(np.float32) for logs in log_contributions]
        distances = np.asarray(_distance(features[half:].astype(np.float32), *gaussian))
        logs_moments, distance_moments = [_moments(logs) for logs in new_logs], _moments(distances)
        found = np.asarray(_evidence(new_logs, logs_moments, distances, distance_moments, size))
        moments = _moments(found)
        standard = np.asarray(_deviation(found, moments))
        shares = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
        quantiles = _increasing(np.quantile(standard, shares))
        return cls(logs_moments, *gaussian, distance_moments, moments, quantiles, reference)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], reference: str) -> "GoodFaces":
        """The reference of good faces in a weights file.

        Args:
            arrays: by the names of the attributes; those of ``log_contributions`` end in ``.0``, ``.1`` and so on.
            reference: the good faces, in words.

        Raises:
            PfiqError: for arrays that are missing or left over, that do not fit each other, or are not finite.
        """
        logs = [f"{LEAVES[0]}.{index}" for index in range(len(arrays) - len(LEAVES) + 1)]
        if set(arrays) != {*logs, *LEAVES[1:]} or not logs or not _fit(arrays, logs):
            raise PfiqError("its arrays of good faces are missing, damaged or of another release")
        others = {name: arrays[name] for name in LEAVES[1:]}
        return cls(log_contributions=[arrays[name] for name in logs], reference=reference, **others)

    def deficit(
        self,
        log_contributions: Sequence[Float[Array, "batch _ _"]],
        features: Float[Array, "batch rows columns channels"],
    ) -> Float[Array, "batch height width"]:
        """The share of good faces that have less evidence against a place; 1 is worst. Its gradients are finite.

        Args:
            log_contributions: as for ``fit``.
            features: as for ``fit``.
        """
        expected = (*np.shape(self.centre)[:2], np.shape(self.basis)[0])
        if features.shape[1:] != expected:
            raise PfiqError(
                f"good faces: were fitted to features of shape {expected}, but this recogniser has "
                f"{features.shape[1:]}; calibrate it again with `pfiq calibrate`."
            )
        own = jax.tree.map(lambda leaf: jax.lax.stop_gradient(jnp.asarray(leaf, jnp.float32)), self)
        distance = _distance(features.astype(jnp.float32), own.basis, own.centre, own.whitening)
        found = _evidence(log_contributions, own.log_contributions, distance, own.distance, own.evidence.shape[1:])
        standard = _deviation(found, own.evidence)
        return jax.nn.sigmoid(_interpolate(standard, jnp.asarray(own.quantiles)))


pytrees.register(GoodFaces, leaves=LEAVES, static=(), descriptions=("reference",))


def _fit(arrays: Mapping[str, np.ndarray], logs: Sequence[str]) -> bool:
    """Whether the arrays of a weights file fit each other and have values that a fit can return."""
    if arrays["centre"].ndim != 3 or arrays["basis"].ndim != 2 or arrays["evidence"].ndim != 3:
        return False
    rows, columns, dims = arrays["centre"].shape
    moments = [arrays[name] for name in (*logs, "distance", "evidence")]
    return (
        arrays["basis"].shape[1] == dims
        and arrays["whitening"].shape == (rows, columns, dims, dims)
        and arrays["distance"].shape == (2, rows, columns)
        and arrays["quantiles"].shape == LOGITS.shape
        and all(np.isfinite(each).all() for each in arrays.values())
        and all(each.ndim == 3 and len(each) == 2 and (each[1] > 0).all() for each in moments)
        and bool((np.diff(arrays["quantiles"]) > 0).all())
    )


def _distance(
    features: Float[Numbers, "batch rows columns channels"],
    basis: Float[Numbers, "channels dims"],
    centre: Float[Numbers, "rows columns dims"],
    whitening: Float[Numbers, "rows columns dims dims"],
) -> Float[Array, "batch rows columns"]:
    """Mahalanobis distance of the features at each place."""
    projected = jnp.einsum("brcf,fd->brcd", features, basis, precision="highest")
    deviation = projected - jnp.asarray(centre)[None]
    return norm(jnp.einsum("brcd,rcde->brce", deviation, whitening, precision="highest"))


def _evidence(
    log_contributions: Sequence[Numbers],
    log_moments: Sequence[Numbers],
    distance: Numbers,
    distance_moments: Numbers,
    size: tuple[int, ...],
) -> Float[Array, "batch height width"]:
    """The evidence against each place: the sum of the deviations, enlarged to the image's size."""
    maps = [DISTANCE_WEIGHT * _deviation(distance, distance_moments)]
    maps += [-_deviation(logs, moments) for logs, moments in zip(log_contributions, log_moments, strict=True)]
    enlarged = [jax.image.resize(each, (each.shape[0], *size), "linear") for each in maps]
    return functools.reduce(jnp.add, enlarged)


def _interpolate(
    standard: Float[Array, "batch height width"], quantiles: Float[Array, " levels"]
) -> Float[Array, "batch height width"]:
    """Logits of the shares at standardised evidence, linear between the quantiles and beyond them.

    A sum of ramps, since ``jnp.interp`` indexes arrays, which JAX's explicit meshes do not allow.
    """
    slopes = jnp.diff(jnp.asarray(LOGITS)) / jnp.diff(quantiles)

    def bend(logit: Array, corner: tuple[Array, Array]) -> tuple[Array, None]:
        quantile, change = corner
        return logit + change * relu(standard - quantile), None

    first = LOGITS[0] + slopes[0] * (standard - quantiles[0])
    return jax.lax.scan(bend, first, (quantiles[1:-1], jnp.diff(slopes)), unroll=True)[0]  # one pass over memory


def _deviation(values: Numbers, moments: Numbers) -> Float[Array, "batch _ _"]:
    mean, deviation = jnp.asarray(moments)
    return (jnp.asarray(values) - mean[None]) / deviation[None]


def _moments(values: Float[np.ndarray, "faces rows columns"]) -> Float[np.ndarray, "2 rows columns"]:
    """Mean and standard deviation over faces."""
    return _stored(np.stack([values.mean(0), np.maximum(values.std(0), 1e-3)]))


def _principal_directions(
    features: Float[np.ndarray, "faces rows columns channels"],
) -> Float[np.ndarray, "channels dims"]:
    """Directions of most variance over all places, scaled to a variance of 1."""
    centred = features.reshape(-1, features.shape[-1]).astype(np.float32)
    centred -= centred.mean(0)
    variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = slice(None, -DIMS - 1, -1)
    return directions[:, kept] / np.sqrt(np.maximum(variances[kept], 1e-6))


def _whitening(
    deviations: Float[np.ndarray, "faces rows columns dims"],
) -> Float[np.ndarray, "rows columns dims dims"]:
    """For each place, the matrix W with |x W|^2 = x^T C^-1 x, where C is the covariance."""
    covariance = np.einsum("frcd,frce->rcde", deviations, deviations, optimize=True) / len(deviations)
    factor = np.linalg.cholesky(covariance + SHRINKAGE * np.eye(covariance.shape[-1]))
    return np.linalg.inv(factor).swapaxes(-1, -2)


def _increasing(quantiles: Float[np.ndarray, " levels"]) -> Float[np.ndarray, " levels"]:
    """Quantiles that are at least 0.001 apart, since equal quantiles have no inverse."""
    steps = 1e-3 * np.arange(len(quantiles))
    return (np.maximum.accumulate(quantiles - steps) + steps).astype(np.float32)


def _stored(values: np.ndarray) -> np.ndarray:
    """Values rounded to the precision of weights files, so that saving does not change them."""
    return values.astype(np.float16).astype(np.float32)
