"""The learned head: a linear head that predicts quality from a frozen recogniser, fitted to faces of known people.

Introduced here. Its targets are computed from the faces whose person has other faces. With embeddings e of length 1:

- The mated similarity is the mean of e . e' over the other faces e' of the person.
- CR-FIQA's ratio is e . c / (1 + max over other people of e . c'). Here c is the mean of the person's other faces, and
  c' the mean of another person's faces, both at length 1. In CR-FIQA these class centres are learned (Boutros et al.,
  CVPR 2023, section 3).
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.scores.comparisons import Comparisons, compare_all_pairs, threshold_at_fmr
from pfiq_jax.evaluation.scores.error_versus_discard import error_versus_discard, normalized_partial_area
from pfiq_jax.evaluation.scores.evaluate_scores import DISCARD
from pfiq_jax.evaluation.scores.fit_calibrations import fit_calibrations
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.learned_head import LearnedHead
from pfiq_jax.quality.learned import head_inputs
from pfiq_jax.recognizers.forward import Forward, Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer

LEAST_PEOPLE = 50  # with two faces or more
FOLDS = 5
PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # in variances of an input
LEAST_ERRORS = 0.01  # share of the mated pairs; with fewer errors the choice would be chance
COUNT = 10**6  # weight of all mated pairs of a person together
CONSTANT = 1e-6  # inputs whose deviation is below this share of their mean count as constant
ROWS = 1024  # faces that are compared with all people at once

TARGETS = ("mated similarity", "CR-FIQA's ratio")

People = Int[np.ndarray, " faces"]
Vectors = Float[np.ndarray, "faces dim"]
Inputs = Float[np.ndarray, "faces inputs"]


class Choice(NamedTuple):
    """A combination of target and penalty, one of those that cross-validation compares.

    Attributes:
        target: one of ``TARGETS``.
        penalty: one of ``PENALTIES``.
    """

    target: str
    penalty: float

    @property
    def place(self) -> tuple[int, int]:
        """The index in arrays that hold all choices."""
        return TARGETS.index(self.target), PENALTIES.index(self.penalty)


CHOICES = tuple(itertools.starmap(Choice, itertools.product(TARGETS, PENALTIES)))


def fit_quality_head(
    recognizer: Recognizer,
    faces: ArrayLike | Forward,
    identities: Sequence[object] | np.ndarray,
    *,
    reference: str = "faces of known people",
) -> Recognizer:
    """A recogniser with a learned head, whose prediction is the method ``learned``. All other scores stay as they are.

    The head is linear in the channel means of the units and in the logs of the embedding's length and of
    ``relative_norm``. The trunk runs once per face. The fit is a ridge regression in which each person counts once. The
    weight of ``relative_norm`` is not penalised: a strong penalty leaves a head that ranks faces as ``relative_norm``.
    It is fitted to the mated similarity or to CR-FIQA's ratio; ``adapting/quality_head.py`` defines them.

    Target and penalty are those with the lowest pAUC (error versus discard) in five-fold cross-validation over people.
    In it, each person counts once, and at least 1% of the mated pairs, those of lowest similarity, are errors.

    On people that it was not fitted to, the head predicts errors better than ``relative_norm`` on clean faces with
    SFace, the bundled network, if each pair counts once. The difference is not significant on disturbed faces, with
    MobileFaceNet y1, or if each person counts once (``benchmarks/results/quality_head.md``).

    The closed form is exact and draws no random numbers, so equal faces give equal bytes. A hidden layer, trained by
    optax, did not predict better (``benchmarks/SCORES_AND_MAPS.md``).

    Args:
        recognizer: the one that will be deployed.
        faces: (n, height, width, 3), RGB, 0..255, aligned, or their ``Forward``. Give a few thousand, of the quality
            that the recogniser is used for, good and bad.
        identities: n labels; equal labels are one person. People with one face count as other people.
        reference: a description of the faces; their numbers, the target and the penalty are added.

    Returns:
        The recogniser with ``learned_head`` and a calibration of ``learned``. The calibration is fitted to the score of
        each face by the head that was fitted without the fold of its person. ``save`` keeps both. The reference of good
        faces and other calibrations stay.

    Raises:
        PfiqError: for fewer than 50 people with two faces, another number of labels than faces, faces whose embedding
            is not finite, and images of another shape, dtype or range.
    """
    _, people, counts = np.unique(np.asarray(identities), return_inverse=True, return_counts=True)
    if (paired := int((counts > 1).sum())) < LEAST_PEOPLE:
        raise PfiqError(f"identities: {paired} people have two faces or more; give {LEAST_PEOPLE} such people or more.")
    inputs, embeddings = _measure(recognizer, faces, len(people))
    comparisons = compare_all_pairs(embeddings, people)
    scores = _left_out_scores(inputs, embeddings, people)
    errors, weights = mated_errors(comparisons), person_weights(comparisons)
    areas = {choice: mated_area(comparisons, errors, weights, scores[choice]) for choice in CHOICES}
    choice = min(CHOICES, key=lambda choice: areas[choice])  # the first of equal ones
    kernels, biases = _fit(inputs, embeddings, people)
    described = f"{reference}, {len(people)} faces of {len(counts)} people"
    head = LearnedHead(
        kernels[choice.place].astype(np.float32),
        biases[choice.place][None].astype(np.float32),
        f"{described}; {choice.target}, penalty {choice.penalty:g}",
    )
    fitted = fit_calibrations({"learned": scores[choice]}, embeddings, [*map(str, people)], reference=described)
    return dataclasses.replace(recognizer, learned_head=head).calibrated(fitted.calibrations[0])


def mate_targets(embeddings: Vectors, people: People) -> Float[np.ndarray, "faces targets"]:
    """The ``TARGETS`` of each face, higher is better; NaN for the only face of a person.

    Args:
        embeddings: (faces, dim), of any length, of two people or more.
        people: of each face.
    """
    _, people, counts = np.unique(people, return_inverse=True, return_counts=True)
    units = _normalized(embeddings)
    sums = np.zeros((len(counts), units.shape[1]))
    np.add.at(sums, people, units)
    others, centres = sums[people] - units, _normalized(sums)
    mated = np.sum(units * others, 1) / np.maximum(counts[people] - 1, 1)
    own = np.sum(units * _normalized(others), 1)
    nearest = np.empty(len(units))
    for start in range(0, len(units), ROWS):
        rows = slice(start, start + ROWS)
        cosines = units[rows] @ centres.T
        np.put_along_axis(cosines, people[rows, None], -1, 1)
        nearest[rows] = cosines.max(1)
    ratio = own / (1 + nearest + np.finfo(np.float32).eps)
    return np.where(counts[people, None] > 1, np.stack([mated, ratio], 1), np.nan)


def folds_over_people(people: People) -> People:
    """The fold of each face, 0 to 4; all faces of a person are in one fold.

    People are assigned to the folds in turn, those with the most faces first, so that the folds are of similar size.
    """
    counts = np.bincount(people)
    fold = np.empty(len(counts), np.int64)
    fold[np.argsort(-counts, kind="stable")] = np.arange(len(counts)) % FOLDS
    return fold[people]


def person_weights(comparisons: Comparisons) -> Int[np.ndarray, " mated"]:
    """Integer weights of mated pairs, with which all pairs of a person together weigh as much as those of any other."""
    people = comparisons.identities[comparisons.mated[:, 0]]
    return np.maximum(1, COUNT // np.bincount(people)[people])


def mated_errors(comparisons: Comparisons) -> Bool[np.ndarray, " mated"]:
    """Whether each mated pair is an error, for the choice between heads.

    Errors are the mated pairs below the threshold of a false match rate of 0.001, but at least the 1% of lowest
    similarity, where each person counts once.
    """
    similarity, weights = comparisons.mated_similarity, person_weights(comparisons)
    order = np.argsort(similarity, kind="stable")
    reached = np.cumsum(weights[order])
    last_error = similarity[order][np.searchsorted(reached, LEAST_ERRORS * reached[-1])]
    return similarity <= max(last_error, threshold_at_fmr(comparisons))


def mated_area(
    comparisons: Comparisons,
    errors: Bool[np.ndarray, " mated"],
    weights: Int[np.ndarray, " mated"],
    scores: Float[np.ndarray, " faces"],
) -> float:
    """The pAUC of scores; lower is better.

    Args:
        comparisons: of all pairs of faces.
        errors: whether each mated pair is an error.
        weights: of the mated pairs.
        scores: of the faces; higher is better.
    """
    curve = error_versus_discard(errors, scores[comparisons.mated].min(1), weights)
    return normalized_partial_area(curve, DISCARD)


@per_face
def _inputs_and_embedding(
    recognizer: Recognizer, images: Images
) -> tuple[Float[Array, "*batch inputs"], Float[Array, "*batch dim"]]:
    seen = recognizer.forward(images)
    return head_inputs(recognizer, seen), seen.embedding


def _measure(recognizer: Recognizer, faces: ArrayLike | Forward, count: int) -> tuple[Inputs, Vectors]:
    """Inputs of the head and embeddings of all faces, in float64, which a closed form needs."""
    parts = [np.asarray(part) for part in (faces if isinstance(faces, Forward) else (faces,))]
    if len(parts[0]) != count:
        raise PfiqError(f"identities: there are {count} for {len(parts[0])} faces; give one per face.")

    def measure(*batch: np.ndarray) -> tuple[Array, Array]:
        return _inputs_and_embedding(recognizer, Forward(*map(jnp.asarray, batch)) if len(batch) > 1 else batch[0])

    inputs, embeddings = in_batches(measure, *parts)
    if unusable := int((~np.isfinite(np.concatenate([inputs, embeddings], 1)).all(1)).sum()):
        raise PfiqError(f"faces: {unusable} of {count} faces give numbers that are not finite; leave them out.")
    return inputs.astype(np.float64), embeddings.astype(np.float64)


def _left_out_scores(inputs: Inputs, embeddings: Vectors, people: People) -> dict[Choice, Float[np.ndarray, " faces"]]:
    """The scores of all faces per choice, by heads that were fitted without the people of their fold."""
    folds = folds_over_people(people)
    found = np.empty((len(TARGETS), len(PENALTIES), len(people)))
    for fold in range(FOLDS):
        out = folds == fold
        kernels, biases = _fit(inputs[~out], embeddings[~out], people[~out])
        found[..., out] = kernels @ inputs[out].T + biases[..., None]
    return {choice: found[choice.place] for choice in CHOICES}


def _fit(
    inputs: Inputs, embeddings: Vectors, people: People
) -> tuple[Float[np.ndarray, "targets penalties inputs"], Float[np.ndarray, "targets penalties"]]:
    """Kernels and biases of the ridge regressions of standardised inputs, for each target and penalty.

    The weight of the last input is not penalised. This input is first projected out of the other inputs and of the
    targets (the theorem of Frisch, Waugh and Lovell). One decomposition of the covariance serves all penalties.
    """
    targets = mate_targets(embeddings, people)
    known = np.isfinite(targets[:, 0])
    inputs, targets = inputs[known], targets[known]
    weights = 1 / np.bincount(people)[people[known]]
    weights /= weights.sum()
    root = np.sqrt(weights)[:, None]
    centre, level = weights @ inputs, weights @ targets
    spread = np.sqrt(weights @ np.square(inputs - centre))
    spread[spread < CONSTANT * np.abs(centre)] = 1
    standard, outcome = root * (inputs - centre) / spread, root * (targets - level)

    others, last = standard[:, :-1], standard[:, -1:]
    left, outcome_left = (columns - last @ (last.T @ columns) for columns in (others, outcome))
    variances, directions = np.linalg.eigh(left.T @ left)
    projected = directions.T @ (left.T @ outcome_left)
    shrunk = projected.T[:, None] / (variances + np.array(PENALTIES)[:, None])  # (targets, penalties, directions)
    of_others = shrunk @ directions.T
    of_last = (last.T @ outcome).T[:, None] - of_others @ (others.T @ last)
    kernels = np.concatenate([of_others, of_last], -1) / spread
    return kernels, level[:, None] - kernels @ centre


def _normalized(vectors: Float[np.ndarray, "rows dim"]) -> Float[np.ndarray, "rows dim"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float64).tiny)
