"""A head that predicts quality from a frozen recogniser, fitted to faces of known people.

Introduced here. Its targets are measured on the faces whose person has others. With embeddings e of length 1:

- the mated similarity: the mean of e . e' over the other faces e' of the person;
- CR-FIQA's ratio: e . c / (1 + max over other people of e . c'), where c is the mean of the person's other faces and c'
  the mean of another person's faces, both at length 1 (Boutros et al., CVPR 2023, section 3, whose class centres are
  learned).
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
LEAST_ERRORS = 0.01  # of the mated comparisons: too few errors choose by chance
COUNT = 10**6  # of each person's mated comparisons together, in whole numbers
CONSTANT = 1e-6  # times its mean: the deviation of an input that does not vary
ROWS = 1024  # faces that are compared with all people at once

TARGETS = ("mated similarity", "CR-FIQA's ratio")

People = Int[np.ndarray, " faces"]
Vectors = Float[np.ndarray, "faces dim"]
Inputs = Float[np.ndarray, "faces inputs"]


class Choice(NamedTuple):
    """What cross-validation chooses between.

    Attributes:
        target: one of ``TARGETS``.
        penalty: one of ``PENALTIES``.
    """

    target: str
    penalty: float

    @property
    def place(self) -> tuple[int, int]:
        """Where it is in arrays that hold all choices."""
        return TARGETS.index(self.target), PENALTIES.index(self.penalty)


CHOICES = tuple(itertools.starmap(Choice, itertools.product(TARGETS, PENALTIES)))


def fit_quality_head(
    recognizer: Recognizer,
    faces: ArrayLike | Forward,
    identities: Sequence[object] | np.ndarray,
    *,
    reference: str = "faces of known people",
) -> Recognizer:
    """A recogniser with a head that predicts quality: the method ``learned``. All other scores stay as they are.

    The head is linear in the channel means of the units and in the logs of the embedding's length and of
    ``relative_norm``. The trunk runs once per face. The fit is a ridge regression in which each person counts once and
    ``relative_norm`` has no penalty: with a stronger penalty, the head ranks faces more like ``relative_norm``.
    It is fitted to the mated similarity or to CR-FIQA's ratio; ``adapting/quality_head.py`` defines them.

    Target and penalty are those with the lowest pAUC (error versus discard) in five-fold cross-validation over people.
    There each person counts once, and at least 1% of the mated comparisons, those of lowest similarity, are errors.

    On people that it was not fitted to, the head beats ``relative_norm`` on clean faces with SFace if each pair counts.
    It does not with y1, on disturbed faces, or if each person counts once (``benchmarks/results/quality_head.md``).

    The closed form is exact and draws no random numbers: equal faces give equal bytes. A hidden layer, trained by
    optax, predicted no better (``benchmarks/SCORES_AND_MAPS.md``).

    Args:
        recognizer: the one that will be deployed.
        faces: (n, height, width, 3), RGB, 0..255, aligned, or their ``Forward``. Give a few thousand, of the quality
            that the recogniser is used for, good and bad.
        identities: n labels; equal labels are one person. People with one face count as other people.
        reference: what the faces are, in words; their numbers and what was chosen are added.

    Returns:
        The recogniser with ``learned_head`` and a calibration of ``learned``, fitted to the scores that each face got
        while its person was left out. ``save`` keeps both. Good faces and other calibrations stay.

    Raises:
        PfiqError: for fewer than 50 people with two faces, another number of labels than faces, faces whose embedding
            is not finite, and images of another shape, dtype or range.
    """
    _, people, counts = np.unique(np.asarray(identities), return_inverse=True, return_counts=True)
    if (paired := int((counts > 1).sum())) < LEAST_PEOPLE:
        raise PfiqError(f"{paired} people have two faces or more; give {LEAST_PEOPLE} such people or more.")
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

    People with many faces come first and are dealt out in turn, so folds have similar numbers of them.
    """
    counts = np.bincount(people)
    fold = np.empty(len(counts), np.int64)
    fold[np.argsort(-counts, kind="stable")] = np.arange(len(counts)) % FOLDS
    return fold[people]


def person_weights(comparisons: Comparisons) -> Int[np.ndarray, " mated"]:
    """Whole numbers by which each person's mated comparisons together count as much as any other person's."""
    people = comparisons.identities[comparisons.mated[:, 0]]
    return np.maximum(1, COUNT // np.bincount(people)[people])


def mated_errors(comparisons: Comparisons) -> Bool[np.ndarray, " mated"]:
    """The errors that a head is chosen by.

    They are the mated comparisons below the threshold of a false match rate of 0.001, but at least the 1% of lowest
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
        errors: of its mated pairs.
        weights: of its mated pairs.
        scores: of the faces, higher is better.
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
        raise PfiqError(f"there are {len(parts[0])} faces but {count} identities; give one per face.")

    def measure(*batch: np.ndarray) -> tuple[Array, Array]:
        return _inputs_and_embedding(recognizer, Forward(*map(jnp.asarray, batch)) if len(batch) > 1 else batch[0])

    inputs, embeddings = in_batches(measure, *parts)
    if unusable := int((~np.isfinite(np.concatenate([inputs, embeddings], 1)).all(1)).sum()):
        raise PfiqError(f"{unusable} of {count} faces give numbers that are not finite; leave them out.")
    return inputs.astype(np.float64), embeddings.astype(np.float64)


def _left_out_scores(inputs: Inputs, embeddings: Vectors, people: People) -> dict[Choice, Float[np.ndarray, " faces"]]:
    """By each choice the scores of all faces, by heads that were fitted without the people of their fold."""
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

    The last input has no penalty. It is first projected out of the other inputs and of the targets (the theorem of
    Frisch, Waugh and Lovell). One decomposition of the covariance serves all penalties.
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
