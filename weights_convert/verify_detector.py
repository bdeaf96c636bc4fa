"""Compares a converted detector with its source network, on the same images."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from pfiq_jax.detection import Detector
from pfiq_jax.detection.yunet import OUTPUTS, STRIDES
from pfiq_jax.errors import PfiqError
from weights_convert.runtimes import onnx_runtime
from weights_convert.source import Source
from weights_convert.verify import TOLERANCES

SIZE = (640, 640)
"""Height and width of the images that the published files take."""


def verify_detector(source: Source, detector: Detector, images: np.ndarray) -> Detector:
    """Compares the raw outputs of a source network and its conversion.

    Args:
        source: the result of ``readers.read``, of an ONNX file.
        detector: the result of ``convert``.
        images: (batch, height, width, 3) uint8, RGB, of ``SIZE``.

    Returns:
        The detector, with the largest absolute error in its provenance.

    Raises:
        PfiqError: if an error exceeds the tolerance of the detector's dtype, with the outputs that differ; or if the
            source cannot be run.
    """
    pixels = images.astype(np.float32)
    try:
        expected, _ = onnx_runtime.run_graph(source, pixels[..., ::-1].transpose(0, 3, 1, 2))
    except ImportError as error:
        raise PfiqError(
            f"{source.path}: running it requires {error.name}; install it with `pip install 'pfiq-jax[verify]'`."
        ) from error
    names = [f"{name}_{stride}" for name in OUTPUTS for stride in STRIDES]
    if len(expected) != len(names):
        raise PfiqError(f"{source.path}: has {len(expected)} outputs instead of {len(names)}; use the published file.")
    found = [level for output in _one_by_one(detector, pixels) for level in _levels(output, pixels.shape[1:3])]
    errors = {name: _error(*pair) for name, *pair in zip(names, expected, found, strict=True)}
    tolerance = max(TOLERANCES[detector.storage_dtype], TOLERANCES[onnx_runtime.dtype_of(source)])
    if beyond := [f"{name} by {error:.1e}" for name, error in errors.items() if not error <= tolerance]:
        raise PfiqError(
            f"{source.path}: outputs of its conversion differ by more than the tolerance of {tolerance:g}: "
            f"{', '.join(beyond)}; use the published file, or report an error of the conversion if it is that file."
        )
    line = f"largest error of the raw outputs of {len(images)} images against ONNX Runtime: {max(errors.values()):.1e}"
    return dataclasses.replace(detector, provenance=dataclasses.replace(detector.provenance, verified=line))


def _error(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest absolute error; relative errors are meaningless for probabilities that are nearly 0."""
    return float(np.abs(expected - found.reshape(expected.shape)).max())


def _one_by_one(detector: Detector, images: np.ndarray) -> list[np.ndarray]:
    """Each raw output (batch, places, ...) of all images."""
    outputs = [detector.outputs(jnp.asarray(image[None])) for image in images]
    return [np.concatenate(arrays) for arrays in zip(*outputs, strict=True)]


def _levels(output: np.ndarray, size: tuple[int, ...]) -> list[np.ndarray]:
    """A raw output split into those of each stride."""
    places = [size[0] // stride * (size[1] // stride) for stride in STRIDES]
    return np.split(output, np.cumsum(places)[:-1], 1)
