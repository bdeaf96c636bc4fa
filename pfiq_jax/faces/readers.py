"""Which faces of which images are used, and the function that reads them."""

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pfiq_jax.detection import load_detector
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.photographs import FindFaces, Which, found_by, read_photograph
from pfiq_jax.faces.reading import Face, ReadFaces, read_face
from pfiq_jax.faces.records import Record, Source
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.recognizers.preprocessing import Points

Detect = Literal["auto", "all", "largest", "centre", "none"]


class Detection(NamedTuple):
    """Which faces of a photograph are used: the values of ``--detect`` and ``--detector``.

    Attributes:
        detect: "all", "largest" or "centre" (the face nearest to it); "none" if all images are aligned faces. With
            "auto" an image of the recogniser's size is assumed to be an aligned face, and in other images all faces
            are used, or the largest with ``one_each``.
        detector_file: weights of the detector; None for the bundled one.
        one_each: whether to use one face per image.
    """

    detect: Detect = "auto"
    detector_file: Path | None = None
    one_each: bool = False


DEFAULT_DETECTION = Detection()


def reader_of(
    recognizer: Recognizer,
    landmarks: Mapping[str, Points] | None = None,
    detection: Detection = DEFAULT_DETECTION,
) -> ReadFaces:
    """A function that returns the faces in an image, as crops of the recogniser's size.

    The bundled detector is loaded when the first photograph needs it. Another detector is loaded at once, so that a
    wrong file is reported before the work.

    Args:
        recognizer: its size and its landmark template are used.
        landmarks: five points per file, by absolute path, as ``read_landmarks`` returns them. No faces are detected
            then. A record with landmarks of its own is aligned by those.
        detection: which faces of a photograph to use. In a record with a box, it is the face in that box.

    Raises:
        PfiqError: for weights of a detector that cannot be loaded.
    """
    size, template = recognizer.preprocessing.size, recognizer.preprocessing.template
    crops = detection.detect == "auto"
    which: Which = "all"
    if detection.detect in ("largest", "centre") or (crops and detection.one_each):
        which = "centre" if detection.detect == "centre" else "largest"
    find = finder(detection.detector_file)

    def read(source: Source) -> list[Face | PfiqError]:
        points = source.landmarks if isinstance(source, Record) else None
        if points is None and landmarks is not None:
            points = landmarks.get(os.path.abspath(str(source)))
            if points is None:
                raise PfiqError(f"{source}: has no landmarks; add a row for it to the landmarks file.")
        if points is not None or detection.detect == "none":
            return [read_face(source, size, points, template)]
        box = source.box if isinstance(source, Record) else None
        is_crop = crops and box is None
        return read_photograph(source, find, size, which=box or which, crops=is_crop, template=template)

    return read


def finder(detector_file: Path | None) -> FindFaces:
    """A function that finds the faces in a photograph. It loads the bundled detector when it is first called."""
    if detector_file is not None:
        return functools.partial(found_by, load_detector(detector_file))
    load = functools.cache(load_detector)
    return lambda photo: found_by(load(), photo)
