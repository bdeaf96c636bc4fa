"""Compares a conversion with its source network, on the same images."""

import dataclasses
import os
from functools import partial
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces import expand_paths, read_face
from pfiq_jax.recognizers import PIXELS, Architecture, IResNet, Recognizer
from weights_convert.mappings import Fit, choose
from weights_convert.runtimes import mxnet_runtime, onnx_runtime, torch_runtime
from weights_convert.runtimes.outputs import Outputs
from weights_convert.source import Source

NUM_RANDOM_IMAGES = 4
# 10 to 25 times the errors of correct conversions (4e-6 and 5e-4 with a hundred layers); a swapped array gives about 1.
TOLERANCES = {"float32": 1e-4, "float16": 5e-3, "bfloat16": 4e-2}
UNIT_TOLERANCE = 1e-3  # of the length of normalised embeddings: some exports end with a normalisation
full_precision = partial(jax.default_matmul_precision, "highest")  # accelerators round more by default


class Difference(NamedTuple):
    """The difference between the outputs of a layer in the source network and in its conversion.

    Attributes:
        source: name of the layer's first array in the source.
        target: name of the layer in the library, such as ``trunk.stem.conv``.
        error: relative error, see ``relative_error``.
    """

    source: str
    target: str
    error: float


def verify(source: Source, recognizer: Recognizer, images: np.ndarray) -> Recognizer:
    """Compares the embeddings of a source network and its conversion, and the qualities if it has a quality head.

    Args:
        source: the result of ``readers.read``; ONNX Runtime or torch runs it.
        recognizer: the result of ``convert``.
        images: (batch, height, width, 3) uint8, RGB, of the recogniser's image size.

    Returns:
        The recogniser, with the largest relative error in its provenance.

    Raises:
        PfiqError: if an error exceeds the tolerance of the recogniser's dtype, or of the one that the source computes
            in, with the first layers that differ; or if the source cannot be run.
    """
    runtime, outputs = run_source(source, recognizer, images)
    found = embeddings(recognizer, images)
    errors: dict[str, float] = {}
    if outputs.embeddings is not None:
        expected = outputs.embeddings.reshape(len(images), -1)
        if expected.shape != found.shape:
            raise PfiqError(
                f"{source.path}: its output has {expected.shape[1]} numbers per face, but the embedding has "
                f"{found.shape[1]}; convert it without --verify."
            )
        if np.allclose(np.linalg.norm(expected, axis=-1), 1, atol=UNIT_TOLERANCE):
            errors["normalised embeddings"] = relative_error(expected, _normalised(found))
        else:
            errors["embeddings"] = relative_error(expected, found)
    if (scores := qualities(recognizer, found)) is not None and outputs.qualities is not None:
        errors["qualities"] = relative_error(outputs.qualities[None], scores[None])
    tolerance = max(TOLERANCES[recognizer.storage_dtype], TOLERANCES[outputs.dtype])
    for kind, error in errors.items():
        if not error <= tolerance:  # true for NaN as well
            raise PfiqError(_difference_in(kind, error, tolerance, source, recognizer, images[:1]))
    condition = f"with the {'channel order' if source.pixels else 'channel order, mean and scale'} of the conversion"
    largest = f"{max(errors.values()):.1e}, {condition}"
    line = f"largest relative error of {len(images)} {' and '.join(errors)} against {runtime}: {largest}"
    return dataclasses.replace(recognizer, provenance=dataclasses.replace(recognizer.provenance, verified=line))


def _difference_in(
    kind: str, error: float, tolerance: float, source: Source, recognizer: Recognizer, images: np.ndarray
) -> str:
    """The message for a conversion that differs from its source."""
    beyond = [each for each in differences(source, recognizer, images) if not each.error <= tolerance]
    layers = ", ".join(f"{each.source} -> {each.target} by {each.error:.1e}" for each in beyond[:3])
    return (
        f"{source.path}: the {kind} of its conversion have a relative error of {error:.1e}, more than the "
        f"tolerance of {tolerance:g}, and the first layers that differ are {layers or 'in the head'}; "
        "check --epsilon and --network."
    )


def _normalised(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def relative_error(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest ``||expected - found|| / ||expected||`` over the images of two (batch, ...) arrays; 0 for 0 / 0."""
    expected, found = (array.reshape(len(array), -1) for array in (expected, found))
    lengths = np.maximum(np.linalg.norm(expected, axis=-1), np.finfo(np.float32).tiny)  # a ReLU's output may be all 0
    return float(np.max(np.linalg.norm(expected - found, axis=-1) / lengths))


def embeddings(recognizer: Recognizer, images: np.ndarray) -> np.ndarray:
    """Embeddings (batch, dim) of (batch, height, width, 3) images at full precision, one by one to compile once."""
    with full_precision():
        return np.stack([recognizer.embed(image) for image in images])


def qualities(recognizer: Recognizer, embeddings: np.ndarray) -> np.ndarray | None:
    """What the recogniser's quality head predicts from embeddings, (batch,); None without such a head."""
    network = network_of(recognizer)
    if not (isinstance(network, IResNet) and network.quality_head):
        return None
    with full_precision():
        return np.asarray(network.learned_quality(recognizer.parameters, jnp.asarray(embeddings)))


def differences(source: Source, recognizer: Recognizer, images: np.ndarray) -> list[Difference]:
    """The difference in the output of each layer, in the order in which the layers run."""
    theirs = run_source(source, recognizer, images, layers=True)[1].layers
    ours = layer_outputs(recognizer, images)
    result: list[Difference] = []
    fit = _fit(source, recognizer)
    name = None
    for part in fit.mapping.parts(network_of(recognizer)):
        leaves = [fit.leaves[f"{part.target}.{leaf}"].source for leaf in part.kind.channels_first]
        first = next((leaf for leaf in leaves if leaf in theirs), None)
        if first is None:  # this BatchNorm is folded into the previous layer, whose output therefore differs
            result = result[:-1]
        name = first or name
        if name is not None and part.target in ours:
            expected = theirs[name]
            expected = np.moveaxis(expected, 1, -1) if expected.ndim == 4 else expected
            result.append(Difference(name, part.target, relative_error(expected, ours[part.target])))
    return result


def layer_outputs(recognizer: Recognizer, images: np.ndarray) -> dict[str, np.ndarray]:
    """The output of each layer at full precision, by its name in the library, such as ``trunk.stem.conv``."""
    inputs = recognizer.preprocessing(jnp.asarray(images, jnp.float32))
    with full_precision():
        layers = network_of(recognizer).layers(recognizer.parameters, inputs)
    return {name: np.asarray(layer.output) for name, layer in layers.items()}


def network_of(recognizer: Recognizer) -> Architecture:
    """The recogniser's network, which is one of the library's architectures for every conversion."""
    assert isinstance(recognizer.network, Architecture)
    return recognizer.network


def _fit(source: Source, recognizer: Recognizer) -> Fit:
    return choose(source, recognizer.provenance.network or None)


def run_source(
    source: Source, recognizer: Recognizer, images: np.ndarray, *, layers: bool = False
) -> tuple[str, Outputs]:
    """The name of the runtime that runs the source network, and what the network computes.

    Raises:
        PfiqError: if the source cannot be run.
    """
    preprocessing = recognizer.preprocessing
    if source.pixels is not None:  # the source's graph contains the normalisation
        preprocessing = dataclasses.replace(preprocessing, mean=PIXELS.mean, scale=PIXELS.scale)
    pixels: np.ndarray = np.asarray(preprocessing(jnp.asarray(images, jnp.float32))).transpose(0, 3, 1, 2)
    try:
        if source.file_format == "ONNX":
            dim = recognizer.parameters["head"]["output_norm"]["mean"].size
            return "ONNX Runtime", onnx_runtime.run(source, pixels, dim, layers=layers)
        if source.file_format == "MXNet":
            return "the MXNet symbol under torch", mxnet_runtime.run(source, pixels, layers=layers)
        fit = _fit(source, recognizer)
        return "torch", torch_runtime.run(source, pixels, fit, network_of(recognizer), layers=layers)
    except ImportError as error:
        raise PfiqError(
            f"{source.path}: running it requires {error.name}; install it with `pip install 'pfiq-jax[verify]'`."
        ) from error


def sample_images(size: tuple[int, int], folder: str | os.PathLike[str] | None = None) -> np.ndarray:
    """Random pixels, the bundled face, and the faces of a folder: (batch, height, width, 3) uint8, RGB.

    Args:
        size: height and width; faces of another size are resized.
        folder: folder of aligned faces, searched with its subfolders.

    Raises:
        PfiqError: if the folder is missing or contains no image, or if an image cannot be read.
    """
    height, width = size
    random = np.random.default_rng(0).integers(0, 256, (NUM_RANDOM_IMAGES, height, width, 3), np.uint8)
    paths = [Path(str(resources.files("pfiq_jax") / "bundled/demo_face.png"))]
    if folder is not None:
        paths += expand_paths([folder])
    return np.stack([*random, *(read_face(path, size).image for path in paths)])
