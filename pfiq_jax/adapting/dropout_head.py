"""A head that is robust to dropout, as SER-FIQ requires, for a network that was trained without it.

Introduced here. The expected loss under dropout is a ridge regression: Wager, Wang, Liang, "Dropout Training as
Adaptive Regularization", NeurIPS 2013, section 2.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.adapting.adapted import adapted
from pfiq_jax.errors import PfiqError, check_share
from pfiq_jax.faces.batches import batches
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.forward import Forward
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import normalize

LEAST_FACES = 100
MOST_HELD_OUT = 500
WEAKEST, STRONGEST = 1e-2, 1e3  # range of anchors a, relative to p / (1 - p)
HALVINGS = 6  # of the logarithmic range of anchors; the last range spans a factor of 1.2

Places = Float[Array, "faces places"]
Kernel = Float[Array, "places dim"]

_product = partial(jnp.matmul, precision="highest")


def fit_dropout_head(
    recognizer: Recognizer, faces: ArrayLike | Forward, *, dropout_rate: float = 0.5, cosine: float = 0.998
) -> Recognizer:
    """A recogniser whose head is robust to dropout, with nearly the same embeddings.

    SER-FIQ is meant for heads that were trained with dropout. This function fits the dense layer of the head again, in
    closed form. BatchNorms, biases and the trunk stay. With units u, dense layer W, a random mask m, original weights
    W_0 and mean squares q of the units, it minimises over W::

        E |W (m u / (1 - p)) - W_0 u|^2 + a |(W - W_0) q^(1/2)|^2

    The mean over the masks is ``|(W - W_0) u|^2 + p / (1 - p) sum_j |W_j|^2 u_j^2``, so this is a ridge regression. The
    second term, the anchor, keeps W near W_0. The last fifth of the faces, at most 500, is held out of the fit. The
    weight a of the anchor is the smallest one at which the held-out faces reach the mean cosine ``cosine``.

    The units of all faces are held in memory, temporarily twice: 4 bytes each, 0.5 GB for 5,000 faces of an IResNet.
    The matrix that is solved has as many rows as there are faces or units, whichever are fewer.

    Args:
        recognizer: a network of the library, without custom functions.
        faces: (n, height, width, 3), RGB, 0..255, aligned, or their ``Forward``. No labels are required. Give a few
            thousand faces of many people, of the quality that the recogniser is used for. Keep the faces of a person
            next to each other, so that the last fifth shows other people. Leave out disturbed faces, since a head that
            is fitted to them makes disturbed faces of different people more similar.
        dropout_rate: p of the head, in (0, 1). SER-FIQ uses 0.5 by default.
        cosine: the least mean cosine between the new and the original embeddings of the last fifth, in (0, 1). A lower
            value gives a head that is more robust to dropout and less accurate in verification.

    Returns:
        The recogniser with the new dense layer and ``dropout_rate``. Calibrations, the reference of good faces and a
        learned head are left out, since they belonged to the original head. ``pfiq calibrate`` and
        ``fit_quality_head`` fit new ones.

    Raises:
        PfiqError: for a custom network, fewer than 100 faces, faces whose embedding is not finite, images of another
            shape, dtype or range, and a dropout rate or cosine outside (0, 1).
    """
    odds = check_share("dropout_rate", dropout_rate) / (1 - dropout_rate)
    check_share("cosine", cosine)
    if not isinstance(recognizer.network, Architecture):
        raise PfiqError("the recogniser is a custom network, whose head is not known; use a network of the library.")
    units = _units(recognizer, faces)
    scale = np.sqrt(np.einsum("ij,ij->j", units, units) / np.float32(len(units)))  # q^(1/2)
    scale[scale == 0] = 1
    units /= scale  # so the fit is to W q^(1/2)
    present = jnp.asarray(_kernel(recognizer) * scale[:, None])
    held_out = min(len(units) // 5, MOST_HELD_OUT)
    seen, others = jax.device_put((units[:-held_out], units[-held_out:]))  # asarray would copy them twice
    del units
    products = _products(seen, present)

    def fitted(anchor: float) -> Kernel:
        return present + _change(seen, present, *products, jnp.float32(odds), jnp.float32(anchor))

    low, high = np.log(odds * np.array((WEAKEST, STRONGEST)))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        keeps = _mean_cosine(recognizer, others, fitted(float(np.exp(middle))), present) >= cosine
        low, high = (low, middle) if keeps else (middle, high)
    parameters = _with_kernel(recognizer, fitted(float(np.exp(high))) / scale[:, None]).parameters
    return adapted(recognizer, parameters, dropout_rate=float(dropout_rate), dropout_granularity="unit")


def _units(recognizer: Recognizer, faces: ArrayLike | Forward) -> Float[np.ndarray, "faces places"]:
    """The units of all faces, one row per face."""
    images = jax.tree.map(np.asarray, faces) if isinstance(faces, Forward) else np.asarray(faces)
    count = len(jax.tree.leaves(images)[0]) if np.ndim(jax.tree.leaves(images)[0]) == 4 else 1
    if count < LEAST_FACES:
        raise PfiqError(f"faces: {count} faces are too few to fit a head; give {LEAST_FACES} or more.")
    units = np.empty((count, len(_kernel(recognizer))), np.float32)
    for rows, real in batches(count):
        batch = jax.tree.map(lambda leaf, rows=rows: leaf[rows], images)
        units[rows[:real]] = np.asarray(recognizer.forward(batch).units)[:real].reshape(real, -1)
    if unusable := int((~np.isfinite(units).all(1)).sum()):
        raise PfiqError(f"faces: {unusable} of {count} faces give units that are not finite; leave them out.")
    return units


def _kernel(recognizer: Recognizer) -> Float[np.ndarray, "places dim"]:
    kernel = np.asarray(recognizer.parameters["head"]["kernel"], np.float32)
    return kernel.reshape(-1, kernel.shape[-1])


def _with_kernel(recognizer: Recognizer, kernel: Kernel) -> Recognizer:
    head = recognizer.parameters["head"]
    kernel = kernel.reshape(head["kernel"].shape).astype(head["kernel"].dtype)
    return dataclasses.replace(recognizer, parameters={**recognizer.parameters, "head": {**head, "kernel": kernel}})


@jax.jit
def _products(units: Places, present: Kernel) -> tuple[Float[Array, "rows rows"], Float[Array, "faces dim"]]:
    """Products of faces with faces or of units with units, whichever are fewer, and of faces with the layer.

    The first are divided by the number of faces.
    """
    faces, places = units.shape
    wide = units if faces < places else units.T
    return _product(wide, wide.T) / faces, _product(units, present)


@jax.jit
def _change(
    units: Places,
    present: Kernel,
    gram: Float[Array, "rows rows"],
    outputs: Float[Array, "faces dim"],
    odds: Float[Array, ""],
    anchor: Float[Array, ""],
) -> Kernel:
    """The change of the original layer by the fit: -odds (U^T U / faces + odds + anchor)^-1 present.

    With fewer faces than places, Woodbury's identity moves the inverse to the side of the faces.
    """
    faces, places = units.shape
    ridge = odds + anchor
    factor = jax.scipy.linalg.cho_factor(gram + ridge * jnp.eye(len(gram), dtype=gram.dtype))
    if faces >= places:
        return -odds * jax.scipy.linalg.cho_solve(factor, present)
    return -odds / ridge * (present - _product(units.T, jax.scipy.linalg.cho_solve(factor, outputs)) / faces)


@jax.jit
def _mean_cosine(recognizer: Recognizer, units: Places, kernel: Kernel, present: Kernel) -> Float[Array, ""]:
    """Mean cosine between the embeddings that two dense layers compute."""
    grid = units.reshape(len(units), *recognizer.parameters["head"]["kernel"].shape[:-1])
    new, old = (normalize(_with_kernel(recognizer, each).project(grid)) for each in (kernel, present))
    return jnp.mean(jnp.sum(new * old, -1))
