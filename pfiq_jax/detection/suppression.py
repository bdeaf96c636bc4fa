"""From the network's outputs at each place to boxes with landmarks, and from boxes to one box per face."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pfiq_jax.bounds import at_least
from pfiq_jax.detection.yunet import STRIDES, RawOutputs

MAX_FACES = 64
MAX_OVERLAP = 0.3
"""Intersection over union above which the box with the lower score is dropped."""


class Faces(NamedTuple):
    """Faces that a detector found, best score first. The faces of a photograph are the first of its 64 entries.

    For a single photograph, the arrays lack the axis ``batch``. Positions are in pixels of the photograph, with (0, 0)
    the centre of the first pixel, as ``align`` takes them. Boxes and landmarks may lie partly outside the photograph.

    Attributes:
        boxes: left, top, width and height; 0 where there is no face.
        landmarks: (x, y) of the person's right eye (left in the image), left eye, tip of the nose, right and left
            corner of the mouth; 0 where there is no face.
        scores: the detector's scores in [0, 1], higher is better; 0 where there is no face.
        valid: whether there is a face.
    """

    boxes: Float[Array | np.ndarray, "*batch faces 4"]
    landmarks: Float[Array | np.ndarray, "*batch faces 5 2"]
    scores: Float[Array | np.ndarray, "*batch faces"]
    valid: Bool[Array | np.ndarray, "*batch faces"]


class Candidates(NamedTuple):
    """The possible face at each place.

    Attributes:
        scores: 0..1; higher is better.
        numbers: left, top, width and height of the box, then (x, y) of five landmarks, in pixels.
    """

    scores: Float[Array, "batch places"]
    numbers: Float[Array, "batch places 14"]


def decode(outputs: RawOutputs, size: tuple[int, int]) -> Candidates:
    """The score, box and landmarks of each place.

    Args:
        outputs: of the network.
        size: height and width of its input.
    """
    height, width = size
    grids = [np.mgrid[: height // stride, : width // stride].reshape(2, -1) for stride in STRIDES]
    strides = np.repeat(STRIDES, [grid.shape[1] for grid in grids]).astype(np.float32)[None, :, None]
    places = jnp.asarray(np.concatenate(grids, 1)[None, ::-1].swapaxes(1, 2).astype(np.float32))  # x, y in strides
    sizes = jnp.exp(outputs.bbox[..., 2:]) * strides
    corners = (places + outputs.bbox[..., :2]) * strides - sizes / 2
    landmarks = (jnp.tile(places, 5) + outputs.kps) * strides
    scores = jnp.sqrt(outputs.cls * outputs.obj)
    return Candidates(scores, jnp.concatenate([corners, sizes, landmarks], -1))


def suppress(candidates: Candidates, threshold: float | Float[Array, ""]) -> Faces:
    """One box per face (non-maximum suppression): takes the best candidate and drops all that overlap it, repeatedly.

    Args:
        candidates: the candidates, any number.
        threshold: score that a face must exceed.
    """
    batch, places = candidates.scores.shape
    boxes = candidates.numbers[..., :4]
    nothing = jnp.broadcast_to(jnp.zeros_like(candidates.numbers[:, :1]), (batch, MAX_FACES, 14))  # distributed alike
    scores = jnp.where(candidates.scores > threshold, candidates.scores, 0)  # NaN does not count as a face

    def goes_on(state: State) -> Array:
        return (state.found < MAX_FACES) & (state.left > 0).any()

    def take_best(state: State) -> State:
        # By masks rather than by indices, which could not be partitioned over devices.
        is_best = jnp.arange(places)[None] == state.left.argmax(1)[:, None]
        score = jnp.where(is_best, state.left, 0).sum(1)
        best = jnp.where(is_best[..., None] & (score > 0)[:, None, None], candidates.numbers, 0).sum(1)
        left = jnp.where(is_best | (overlap(best[:, None, :4], boxes) > MAX_OVERLAP), 0, state.left)
        is_next = jnp.arange(MAX_FACES)[None] == state.found
        numbers = jnp.where(is_next[..., None], best[:, None], state.numbers)
        return State(state.found + 1, left, numbers, jnp.where(is_next, score[:, None], state.scores))

    end = jax.lax.while_loop(goes_on, take_best, State(jnp.asarray(0), scores, nothing, nothing[..., 0]))
    landmarks = end.numbers[..., 4:].reshape(batch, MAX_FACES, 5, 2)
    return Faces(end.numbers[..., :4], landmarks, end.scores, end.scores > 0)


class State(NamedTuple):
    """The state of the suppression after some faces were found in each photograph.

    Attributes:
        found: number of faces found.
        left: scores of the candidates; 0 for those that were taken or dropped.
        numbers: boxes and landmarks of the faces.
        scores: scores of the faces.
    """

    found: Int[Array, ""]
    left: Float[Array, "batch places"]
    numbers: Float[Array, "batch faces 14"]
    scores: Float[Array, "batch faces"]


def overlap(a: Float[Array, "batch one 4"], b: Float[Array, "batch boxes 4"]) -> Float[Array, "batch boxes"]:
    """Intersection over union of boxes, given as left, top, width and height."""
    starts, others = a[..., :2], b[..., :2]
    ends, other_ends = starts + a[..., 2:], others + b[..., 2:]
    first, last = jnp.where(starts >= others, starts, others), jnp.where(ends <= other_ends, ends, other_ends)
    common = at_least(last - first, 0.0).prod(-1)
    return common / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - common)
