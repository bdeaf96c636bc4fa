"""Calibrations of several methods on one recogniser, from faces whose people may be known."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pfiq_jax.calibration import Calibration
from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.scores.comparisons import FMR, compare_all_pairs, support_warning, threshold_at_fmr
from pfiq_jax.evaluation.scores.measured_files import measure_files
from pfiq_jax.faces import Face, People, ReadFaces
from pfiq_jax.maps.fit_good_faces import fit_good_faces
from pfiq_jax.quality import DEFAULT_QUALITY_METHOD, default_quality_method, embeddings_and_scores
from pfiq_jax.recognizers import Recognizer

DEFAULTS = (DEFAULT_QUALITY_METHOD, "ser_fiq_closed_form")  # one of them is the default score of a recogniser


class FittedCalibrations(NamedTuple):
    """The result of ``fit_calibrations``.

    Attributes:
        calibrations: one per method.
        warning: why the probability of a failure is not known or not reliable, as one sentence; None if it is reliable.
    """

    calibrations: list[Calibration]
    warning: str | None


class CalibratedRecognizer(NamedTuple):
    """The result of ``calibrate_files``.

    Attributes:
        recognizer: with the new calibrations and the new reference of good faces.
        calibrations: the new calibrations.
        warnings: why probabilities of failure or deficits are not known or not reliable, one sentence per reason.
    """

    recognizer: Recognizer
    calibrations: list[Calibration]
    warnings: list[str]


class MatedOutcomes(NamedTuple):
    """Mated pairs at a threshold.

    Attributes:
        pairs: the indices of the two faces.
        failed: whether their similarity is below the threshold.
        threshold: the cosine at the false match rate.
        non_mated_count: number of non-mated pairs, which determine the threshold.
    """

    pairs: Int[np.ndarray, "comparisons 2"]
    failed: Bool[np.ndarray, " comparisons"]
    threshold: float
    non_mated_count: int


def calibrate_files(
    recognizer: Recognizer,
    people: People,
    read: ReadFaces,
    methods: Sequence[str],
    *,
    reference: str,
    note: Callable[[Path, Face | PfiqError], object] = lambda path, face: None,
    advance: Callable[[int], object] = lambda faces: None,
) -> CalibratedRecognizer:
    """Fits calibrations of several methods, and the reference of good faces, to the faces in files.

    Good faces are the better half, by the default score of the calibrated recogniser.

    Args:
        recognizer: the one to calibrate.
        people: the files, as ``people_in`` returns them. Loose faces are scored, but not compared.
        read: returns the faces in a file.
        methods: names of ``QUALITY_METHODS``.
        reference: a description of the faces; their numbers are added.
        note: called with each path and its face, or with the error if it has no face.
        advance: called with the number of faces processed since the last call; good faces are processed twice.

    Raises:
        PfiqError: as ``fit_calibrations``, and for a method for which the recogniser lacks something.
    """
    measured_methods = tuple(dict.fromkeys((*methods, *DEFAULTS)))
    compute = functools.partial(embeddings_and_scores, recognizer, methods=measured_methods)
    paths = [*people.paths, *people.loose]
    measured = measure_files(compute, paths, read, note=note, advance=advance)
    identities = [*people.identities, *[None] * len(people.loose)]
    labels = [identity for identity, is_read in zip(identities, measured.is_read, strict=True) if is_read]
    fitted = fit_calibrations(
        {name: measured.scores[name] for name in methods},
        measured.embeddings,
        labels,
        reference=f"{reference}, {len(measured.embeddings)} faces",
    )
    calibrated = functools.reduce(Recognizer.calibrated, fitted.calibrations, recognizer)
    scores = measured.scores[default_quality_method(calibrated)]
    faces = [path for path, is_read in zip(paths, measured.is_read, strict=True) if is_read]
    warnings = [fitted.warning] if fitted.warning else []
    try:
        good_faces = fit_good_faces(calibrated, faces, labels, scores, read, reference=reference, advance=advance)
        calibrated = dataclasses.replace(calibrated, good_faces=good_faces)
    except PfiqError as error:
        warnings.append(f"Deficits were not calibrated: {error}")
    return CalibratedRecognizer(calibrated, fitted.calibrations, warnings)


def fit_calibrations(
    scores: Mapping[str, Float[np.ndarray, " faces"]],
    embeddings: Float[np.ndarray, "faces dim"],
    identities: Sequence[str | None],
    *,
    reference: str,
    fmr: float = FMR,
) -> FittedCalibrations:
    """Fits the scale of each method, its percentiles, and, if possible, the probability that a mated pair fails.

    Args:
        scores: raw scores by the name of the method; higher is better.
        embeddings: of the faces.
        identities: the person of each face; None if not known. Faces of unknown people are not compared.
        reference: a description of the faces.
        fmr: the false match rate of the threshold.

    Raises:
        PfiqError: for fewer than 20 faces, and for scores that are not finite or all equal.
    """
    outcomes = mated_outcomes(embeddings, identities, fmr=fmr)
    reason = _why_unknown(outcomes)
    failures: dict[str, Any] = (
        {}
        if outcomes is None or reason
        else {"pairs": outcomes.pairs, "failed": outcomes.failed, "threshold": outcomes.threshold, "fmr": fmr}
    )
    fitted = [Calibration.fit(name, raw, reference=reference, **failures) for name, raw in scores.items()]
    if outcomes is None or reason:
        return FittedCalibrations(fitted, reason)
    unrelated = [each.method for each in fitted if each.failure is None]
    return FittedCalibrations(fitted, _about_unrelated(unrelated) or support_warning(outcomes.non_mated_count, fmr))


def mated_outcomes(
    embeddings: Float[np.ndarray, "faces dim"], identities: Sequence[str | None], *, fmr: float = FMR
) -> MatedOutcomes | None:
    """Compares all faces of known people; None, without any comparison, for one person or without mated pairs."""
    known = np.array([index for index, identity in enumerate(identities) if identity is not None], np.int64)
    labels = [identity for identity in identities if identity is not None]
    counts = Counter(labels)
    if len(counts) < 2 or max(counts.values()) < 2:
        return None
    comparisons = compare_all_pairs(embeddings[known], labels, fmr=fmr)
    threshold = threshold_at_fmr(comparisons, fmr)
    failed = comparisons.mated_similarity < threshold
    return MatedOutcomes(known[comparisons.mated], failed, threshold, comparisons.non_mated_count)


def _about_unrelated(methods: Sequence[str]) -> str | None:
    if not methods:
        return None
    return (
        f"The probability that a comparison fails is not known by {', '.join(methods)}: comparisons do not fail less "
        "often as the score rises; add more faces, or worse ones."
    )


def _why_unknown(outcomes: MatedOutcomes | None) -> str | None:
    if outcomes is None:
        return (
            "The probability that a comparison fails is not known: that takes two people or more, and two faces of "
            "one of them; give a folder for each person."
        )
    count = len(outcomes.failed)
    if not outcomes.failed.any():
        return (
            f"The probability that a comparison fails is not known: none of the {count:,} comparisons of one person's "
            "faces fails; add more faces, or worse ones."
        )
    if outcomes.failed.all():
        return (
            f"The probability that a comparison fails is not known: all of the {count:,} comparisons of one person's "
            "faces fail; check that each folder shows one person."
        )
    return None
