"""Scores of batches of images as columns: one picklable callable for engines that process large data sets."""

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

import numpy as np

from pfiq_jax.devices import Devices
from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.faces.readers import Detect, Detection, reader_of
from pfiq_jax.faces.reading import ReadFaces
from pfiq_jax.faces.records import Record
from pfiq_jax.quality import QUALITY_METHODS
from pfiq_jax.recognizers import Precision, Recognizer, load_recognizer
from pfiq_jax.scoring import Score, score_files

AnyPath = str | os.PathLike[str]


class FaceScorer:
    """A callable that adds scores to a batch, a dictionary of columns with one row per image.

    It is meant for Ray Data, Hugging Face Datasets, Spark and similar engines. It holds only settings, so that it can
    be pickled. Each process loads the weights and compiles in its first call. All local devices share every batch.
    Batches are padded to one size, so that nothing is compiled twice.

    Example:
        >>> scorer = pfiq_jax.FaceScorer(batch_size=2)
        >>> scored = scorer({"image": [face, b"not an image"], "id": [7, 8]})
        >>> scored["id"], scored["status"].tolist()
        ([7, 8], ['scored', 'failed'])
    """

    def __init__(
        self,
        recognizer: AnyPath | None = None,
        *,
        quality: str | None = None,
        detector: AnyPath | None = None,
        detect: Detect = "auto",
        maps: bool = False,
        precision: Precision = "float32",
        batch_size: int | None = None,
        column: str = "image",
    ) -> None:
        """Checks the settings, without loading weights.

        Args:
            recognizer: weights that ``weights-convert`` wrote, on a path that every worker can read; None for the
                bundled network.
            quality: one of ``QUALITY_METHODS``; None for "relative_norm", or "ser_fiq_closed_form" if the recogniser
                has no scale for it.
            detector: weights of a face detector; None for the bundled one.
            detect: which face of a photograph is scored: the "largest", or the one nearest to the "centre". With "auto"
                an image of the recogniser's size is assumed to be an aligned face, and in other images the largest face
                is scored. With "none" all images are assumed to be aligned faces; those of other sizes are resized
                without alignment.
            maps: whether to return maps and deficits, which take a backward pass.
            precision: of the trunk, as for ``Recognizer.with_precision``.
            batch_size: number of faces that all local devices together compute at once; None for a size that suits
                them.
            column: name of the column with the images.

        Raises:
            PfiqError: for an unknown quality method, way to detect or precision.
        """
        if quality is not None:
            check_choice("quality", quality, QUALITY_METHODS)
        check_choice("detect", detect, ("auto", "largest", "centre", "none"))
        check_choice("precision", precision, get_args(Precision))
        self.recognizer, self.quality, self.maps, self.precision = recognizer, quality, maps, precision
        self.batch_size, self.column = batch_size, column
        self.detection = Detection(detect, None if detector is None else Path(detector), one_each=True)

    def __call__(self, batch: Mapping[str, Sequence[Any] | np.ndarray]) -> dict[str, Sequence[Any] | np.ndarray]:
        """Scores the images of a batch, row by row.

        Args:
            batch: columns of equal length. Each image is the bytes of a file, its path, a dictionary with "bytes" or
                "path" as in Hugging Face Datasets, or uint8 pixels (height, width, 3) in RGB. The sizes of the images
                may differ.

        Returns:
            The columns of the batch, unchanged, and

            - ``quality``: (rows,) float32, in (0, 1), higher is better. NaN if there is no score, and for a method
              without a scale.
            - ``raw_quality``: (rows,) float32, the raw score, higher is better. NaN if there is none.
            - ``status``: "scored" or "failed".
            - ``error``: why there is no score; otherwise empty.
            - ``warning``: why the score may be unreliable; otherwise empty.
            - ``map`` and ``deficit``, if requested: (rows, height, width) float32, in [0, 1], see ``PixelQuality``. NaN
              where there is no score. There are deficits only if the recogniser was calibrated for them.

        Raises:
            PfiqError: for weights that cannot be loaded, a method for which the recogniser lacks something, and a batch
                that does not fit into the memory of the devices.
            KeyError: for a batch without the column.
        """
        recognizer, read = self._loaded
        records = [self._record(row, content) for row, content in enumerate(batch[self.column])]
        parts = score_files(recognizer, records, read, method=self.quality, maps=self.maps, batch_size=self.batch_size)
        scores = [score for part in parts for score in part]
        columns = dict(batch) | _columns(scores)
        if self.maps:
            size = recognizer.preprocessing.size
            columns["map"] = _stacked([score.map for score in scores], size)
            if recognizer.good_faces is not None:
                columns["deficit"] = _stacked([score.deficit for score in scores], size)
        return columns

    @functools.cached_property
    def _loaded(self) -> tuple[Recognizer, ReadFaces]:
        recognizer = load_recognizer(self.recognizer).with_precision(self.precision)
        return Devices.local(self.batch_size).replicate(recognizer), reader_of(recognizer, None, self.detection)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_loaded"}

    def _record(self, row: int, content: Any) -> Record:
        """The record of an image. For a value that is not an image, reading the record raises the reason."""
        if isinstance(content, Mapping):
            content = content.get("bytes") or content.get("path")
        if isinstance(content, str | os.PathLike):
            return Record(os.fspath(content), Path(content))
        if not isinstance(content, bytes | np.ndarray):
            content = functools.partial(_refuse, type(content).__name__)
        return Record(f"{self.column} {row}", content)


def _refuse(kind: str) -> NoReturn:
    raise PfiqError(f"has the type {kind}; give the bytes of a file, a path, or uint8 pixels.")


def _columns(scores: Sequence[Score]) -> dict[str, np.ndarray]:
    """The fields that every score has, as columns. Their types do not depend on whether some faces have no score."""
    return {
        "quality": np.array([score.quality for score in scores], np.float32),
        "raw_quality": np.array([score.raw_quality for score in scores], np.float32),
        "status": np.array([score.status for score in scores], np.str_),
        "error": np.array([score.error or "" for score in scores], np.str_),
        "warning": np.array([score.warning or "" for score in scores], np.str_),
    }


def _stacked(maps: Sequence[Any], size: tuple[int, int]) -> np.ndarray:
    """(rows, height, width), NaN for None."""
    rows = [np.full(size, np.nan, np.float32) if each is None else each for each in maps]
    return np.stack(rows) if rows else np.zeros((0, *size), np.float32)
