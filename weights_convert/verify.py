"""The source network and its conversion, run on the same images."""

import dataclasses
import os
from importlib import resources
from pathlib import Path

import jax
import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers import IResNet, Recognizer
from pfiq_jax.scoring import read_image
from weights_convert.mappings import iresnet
from weights_convert.readers import Source

NUM_RANDOM_IMAGES = 4
# Some five to twenty times what sound conversions show (4e-6 and 5e-4 on a hundred layers); a swapped array shows 1.
TOLERANCES = {"float32": 1e-4, "float16": 5e-3}


def verify(source: Source, recognizer: Recognizer, images: np.ndarray) -> Recognizer:
    """The recogniser with a line in its provenance that says how near it is to its source.

    Args:
        source: as ``readers.read`` gave it; run by ONNX Runtime or torch.
        recognizer: what ``convert`` made of it.
        images: (batch, 112, 112, 3) uint8, RGB.

    Raises:
        PfiqError: where the error is beyond the tolerance of the recogniser's dtype, or the source cannot be run.
    """
    runtime, expected = source_embeddings(source, recognizer, images)
    error = relative_error(expected, embeddings(recognizer, images))
    tolerance = TOLERANCES[recognizer.dtype]
    if not error <= tolerance:  # NaN is beyond it too
        raise PfiqError(
            f"{source.path}: its conversion differs from it by {error:.1e} of the embedding, where {tolerance:g} is "
            "tolerated; check --epsilon, and whether the file is what its names say."
        )
    line = f"largest relative error of {len(images)} embeddings against {runtime}: {error:.1e}"
    return dataclasses.replace(recognizer, provenance=(*recognizer.provenance, ("verified", line)))


def relative_error(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest over the images of ``||expected - found|| / ||expected||``, both (batch, ...)."""
    expected, found = (array.reshape(len(array), -1) for array in (expected, found))
    return float(np.max(np.linalg.norm(expected - found, axis=-1) / np.linalg.norm(expected, axis=-1)))


def embeddings(recognizer: Recognizer, images: np.ndarray) -> np.ndarray:
    """(batch, 112, 112, 3) images to (batch, dim), one by one, so that any number compiles once."""
    embed = jax.jit(lambda recognizer, image: recognizer.embed(image))
    return np.stack([embed(recognizer, image) for image in images])


def source_embeddings(source: Source, recognizer: Recognizer, images: np.ndarray) -> tuple[str, np.ndarray]:
    """The name of the runtime of a source's format, and the source network's embeddings there."""
    pixels: np.ndarray = images.transpose(0, 3, 1, 2).astype(np.float32)
    if isinstance(recognizer.network, IResNet):  # SFace's graph does its preprocessing itself
        pixels = (pixels / 255 - 0.5) / 0.5
    try:
        if source.path.suffix.lower() == ".onnx":
            return "ONNX Runtime", onnx_embeddings(source, pixels)
        return "torch", torch_embeddings(source, recognizer, pixels)
    except ImportError as error:
        raise PfiqError(f"{source.path}: running it needs {error.name}; pip install 'pfiq-jax[verify]'.") from error


def onnx_embeddings(source: Source, pixels: np.ndarray) -> np.ndarray:
    """The source graph under ONNX Runtime, on (batch, 3, 112, 112) float32 pixels as it wants them."""
    import onnx
    import onnxruntime

    model = onnx.load(source.path)
    # Quantisers leave inputs behind that nodes now compute or nothing reads, and ONNX Runtime refuses such graphs.
    made = {name for node in model.graph.node for name in node.output} | {a.name for a in model.graph.initializer}
    consumed = {name for node in model.graph.node for name in node.input}
    fed = [value for value in model.graph.input if value.name in consumed - made]
    del model.graph.input[:]
    model.graph.input.extend(fed)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        # one by one, since SFace's graph is fixed at batch 1
        return np.concatenate([session.run(None, {fed[0].name: image[None]})[0] for image in pixels])
    except Exception as error:  # ONNX Runtime's exceptions share no other base
        reason = str(error).strip().split("\n")[0]
        raise PfiqError(
            f"{source.path}: ONNX Runtime cannot run it ({reason}); convert it without --verify."
        ) from error


def torch_embeddings(source: Source, recognizer: Recognizer, pixels: np.ndarray) -> np.ndarray:
    """The source arrays in a torch network of the same architecture, on (batch, 3, 112, 112) float32 pixels."""
    network = recognizer.network
    if not isinstance(network, IResNet):
        raise PfiqError(f"{source.path}: only an IResNet can be run under torch; convert it without --verify.")
    import torch

    from weights_convert.torch_iresnet import TorchIResNet

    model = TorchIResNet(network.depth, network.dim, network.epsilon).eval()
    parameters = {name: torch.tensor(a) for name, a in source.arrays.items() if iresnet.MAPPING.fits(name)}
    # some frameworks keep a PReLU's slopes as (channels, 1, 1), which `convert` takes too
    parameters = {name: a.flatten() if name.endswith("prelu.weight") else a for name, a in parameters.items()}
    model.load_state_dict(parameters, strict=False)  # `convert` was strict; here counters of steps may be missing
    with torch.inference_mode():
        return model(torch.tensor(pixels)).numpy()


def sample_images(folder: str | os.PathLike[str] | None = None) -> np.ndarray:
    """Random pixels, the bundled face, and the faces of a folder: (batch, 112, 112, 3) uint8, RGB.

    Args:
        folder: of aligned 112x112 faces; any file in it that is no image is an error.

    Raises:
        PfiqError: for a folder that is missing or empty, and for files that are no 112x112 images.
    """
    random = np.random.default_rng(0).integers(0, 256, (NUM_RANDOM_IMAGES, 112, 112, 3), np.uint8)
    paths = [Path(str(resources.files("pfiq_jax") / "bundled/demo_face.png"))]
    if folder is not None:
        faces = sorted(path for path in Path(folder).glob("*") if path.is_file())
        if not faces:
            raise PfiqError(f"{folder}: no folder with images; give one of aligned 112x112 faces.")
        paths += faces
    return np.stack([*random, *map(_read_face, paths)])


def _read_face(path: Path) -> np.ndarray:
    face = read_image(path)
    if face.shape != (112, 112, 3):
        raise PfiqError(f"{path}: is {face.shape[1]}x{face.shape[0]} pixels; give aligned 112x112 faces.")
    return face
