"""A source file of weights to a ``Recognizer``."""

import hashlib
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import jax
import jax.numpy as jnp

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.recognizers.weights_file import fill
from weights_convert.mappings import choose
from weights_convert.readers import Source, read

CONVERTER = "weights_convert 1"  # counted up when the same source begins to give other weights
LICENSES: Mapping[str, str] = MappingProxyType(  # of files known by their sha256
    {
        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee": (
            "Apache-2.0 (SFace, OpenCV Zoo face_recognition_sface_2021dec)"
        ),
    }
)
LARGE = 2**18  # weights in a kernel
UNKNOWN_LICENSE = "unknown; ask where the source comes from"


def convert(
    source: str | os.PathLike[str] | Source,
    *,
    architecture: str | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    epsilon: float | None = None,
    license: str | None = None,
) -> Recognizer:
    """The recogniser that a weights file of another framework holds.

    Args:
        source: ``.onnx``, ``.safetensors``, ``.pt``, ``.pth`` or ``.ckpt``; or what ``read`` made of it.
        architecture: its name; by default found from the names of the arrays.
        dtype: float16 rounds the large kernels, so that ``Recognizer.save`` writes them in half the bytes.
        epsilon: of every BatchNorm; by default what the file states, or what the framework uses.
        license: what may be done with the weights, written into the saved file.

    Raises:
        PfiqError: for a file that cannot be read (see ``readers.read``) or does not fit the architecture: one message
            with every array that is missing, left over, misshapen or not finite.
    """
    if not isinstance(source, Source):
        source = read(source)
    if epsilon is not None and not 0 < epsilon < 1:
        raise PfiqError(f"{epsilon:g} is no BatchNorm epsilon; give a small positive number, as 1e-5.")
    name, mapping = choose(source, architecture)
    network = mapping.build(name, source, epsilon)
    label = f"{source.path}" if architecture else f"{source.path}, which resembles {name} most"
    parameters = fill(network, mapping.translate(source), label)
    if dtype == "float16":
        parameters = jax.tree.map(_round, parameters)
        if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(parameters)):
            raise PfiqError(f"{source.path}: has weights beyond float16's range; convert it with --dtype float32.")
    with source.path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Recognizer(
        parameters=parameters,
        network=network,
        preprocessing=mapping.preprocessing(source),
        dropout_rate=mapping.dropout_rate,
        dtype=dtype,
        provenance=(
            ("source", source.path.name),
            ("source_sha256", sha256),
            ("license", license or LICENSES.get(sha256, UNKNOWN_LICENSE)),
            ("converter", CONVERTER),
        ),
    )


def _round(leaf: jax.Array) -> jax.Array:
    """Large kernels to float16's nearest values.

    The small ones, in the first layers, are a few hundredths of the bytes and most of the error: on SFace, rounding
    them too raises the largest error on a face from 9e-4 to 3.0e-3.
    """
    return leaf.astype(jnp.float16).astype(leaf.dtype) if leaf.size >= LARGE else leaf
