"""Converted files of either kind, a recogniser or a detector, compared with their sources."""

from pathlib import Path

from pfiq_jax.detection import Detector, load_detector
from pfiq_jax.recognizers import Recognizer, load_recognizer
from pfiq_jax.recognizers.weights_file import kind_of
from weights_convert.source import Source
from weights_convert.verify import sample_images, verify
from weights_convert.verify_detector import SIZE, verify_detector


def load_converted(path: Path) -> Recognizer | Detector:
    """The recogniser or detector in a converted file.

    Raises:
        PfiqError: as ``load_recognizer``.
    """
    return load_detector(path) if kind_of(path) == "detector" else load_recognizer(path)


def compare(source: Source, converted: Recognizer | Detector, folder: Path | None) -> Recognizer | Detector:
    """The conversion, with the result of the comparison in its provenance; see ``verify`` and ``verify_detector``.

    Args:
        source: the result of ``readers.read``.
        converted: the result of ``convert``.
        folder: images to compare on, in addition to random pixels; those of another size are resized.

    Raises:
        PfiqError: if they differ, or if the source cannot be run.
    """
    if isinstance(converted, Detector):
        return verify_detector(source, converted, sample_images(SIZE, folder))
    return verify(source, converted, sample_images(converted.preprocessing.size, folder))
