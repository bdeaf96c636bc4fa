"""A source file of weights to a ``Recognizer``."""

import dataclasses
import hashlib
import os
import re
import statistics
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from einops import EinopsError

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers import Architecture, Recognizer
from pfiq_jax.recognizers.weights_file import fill, named_leaves
from weights_convert.mappings import Fit, choose
from weights_convert.readers import read
from weights_convert.source import Source

CONVERTER = "weights_convert 1"  # counted up when the same source begins to give other weights
LICENSES: Mapping[str, str] = MappingProxyType(  # of files known by their sha256
    {
        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee": (
            "Apache-2.0 (SFace, OpenCV Zoo face_recognition_sface_2021dec)"
        ),
        "b151f97e392e68cb540fb9710a91a574a4187d491eeda77d1c1799ae6dc3b82b": (
            "non-commercial research only (MobileFaceNet y1, insightface model zoo)"
        ),
    }
)
LARGE = 2**18  # weights in a kernel
UNKNOWN_LICENSE = "unknown; ask where the source comes from"


def convert(
    source: str | os.PathLike[str] | Source,
    *,
    network: str | None = None,
    dtype: Literal["float32", "float16", "bfloat16"] = "float32",
    epsilon: float | None = None,
    license_text: str | None = None,
    progress: Callable[[list[str]], Iterable[str]] = iter,
) -> Recognizer:
    """The recogniser that a weights file of another framework holds.

    Args:
        source: a file of a format in ``readers.READERS``; or what ``readers.read`` made of it.
        network: name of the network, such as ``iresnet100``; by default it is found from the names of the arrays,
            or from the order of the layers.
        dtype: float16 and bfloat16 round the large kernels, so that ``Recognizer.save`` writes them in half the bytes.
        epsilon: of every BatchNorm; by default what the file states, or what was published.
        license_text: what may be done with the weights, written into the saved file.
        progress: wraps the loop over the arrays, as ``tqdm.tqdm`` does.

    Raises:
        PfiqError: for a file that cannot be read (see ``readers.read``) or does not fit the architecture: one message
            with every array that is missing, left over, misshapen or not finite.
    """
    if not isinstance(source, Source):
        source = read(source)
    if epsilon is not None and not 0 < epsilon < 1:
        raise PfiqError(f"{epsilon:g} is no BatchNorm epsilon; give a small positive number, as 1e-5.")
    _check_statements(source)
    fit = choose(source, network)
    architecture = configure(fit, source, epsilon)
    label = f"{source.path}" if network else f"{source.path}, which resembles {fit.name} most"
    names, take = turn(fit, architecture, source)
    source = dataclasses.replace(source, arrays={})  # so that an array can go once it is turned
    labels = {name: array for array, name in fit.sources().items()}
    parameters = fill(architecture, names, take, label, labels=labels, progress=progress)
    if dtype != "float32":
        parameters = jax.tree.map(lambda leaf: _round(leaf, dtype), parameters)
        if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(parameters)):
            raise PfiqError(f"{source.path}: has weights beyond {dtype}'s range; convert it with --dtype float32.")
    preprocessing = fit.mapping.preprocessing
    if source.pixels is not None:
        mean, scale = source.pixels
        preprocessing = dataclasses.replace(preprocessing, mean=(mean,) * 3, scale=(scale,) * 3)
    return Recognizer(
        parameters=parameters,
        network=architecture,
        preprocessing=preprocessing,
        dropout_rate=fit.mapping.dropout_rate if source.dropout_rate is None else source.dropout_rate,
        dropout_granularity=fit.mapping.dropout_granularity,
        dtype=dtype,
        provenance=tuple(_provenance(fit, source, license_text, epsilon)),
    )


def configure(fit: Fit, source: Source, epsilon: float | None = None) -> Architecture:
    """The fitted network with the options that the source's arrays and statements give it."""
    architecture = fit.mapping.networks[fit.name]
    names = ("head.bias", *(f"head.output_norm.{leaf}" for leaf in ("scale", "bias", "mean", "var")))
    vectors = [_array_of(fit, source, name) for name in names]
    lengths = [vector.size for vector in vectors if vector is not None and vector.ndim == 1 and vector.size]
    options: dict[str, float] = {"dim": statistics.mode(lengths)} if lengths else {}
    fields = fit.mapping.epsilons
    if epsilon is not None and len(fields) > 1:
        raise PfiqError(f"{source.path}: {fit.name} has several BatchNorm epsilons of its own; leave --epsilon out.")
    for field, norms in fields.items():
        means = [leaf.source for name, leaf in fit.leaves.items() if re.fullmatch(rf"({norms})\.mean", name)]
        stated = {source.epsilons[name] for name in means if name is not None and name in source.epsilons}
        if epsilon is not None:
            options[field] = epsilon
        elif len(stated) == 1:
            (options[field],) = stated
        elif stated:
            raise PfiqError(
                f"{source.path}: states several epsilons {sorted(stated)} for {fit.name}, which has one {field}; "
                "give the file as published."
            )
    return dataclasses.replace(architecture, **options)


def turn(fit: Fit, architecture: Architecture, source: Source) -> tuple[Collection[str], Callable[[str], np.ndarray]]:
    """The names that a source's arrays have in the library, and what gives one, in the library's layout, once.

    Those left over keep their own names, and one whose axes cannot be turned stays as it is. So ``weights_file.fill``
    sees, and reports, all that is wrong with a file; and an array is gone once it is turned.
    """
    arrays = dict(source.arrays)
    shapes = {name: leaf.shape for name, leaf in named_leaves(architecture.shapes())}
    there = (name for name, leaf in fit.leaves.items() if leaf.source is None or leaf.source in arrays)

    def take(name: str) -> np.ndarray:
        leaf = fit.leaves.get(name)
        if leaf is None:
            return arrays.pop(name)
        if leaf.source is None:
            constant = 1 - _epsilon(fit, architecture, name) if name.endswith(".var") else leaf.constant
            return np.full(shapes[name], constant, np.float32)
        array = arrays.pop(leaf.source)
        try:
            return leaf.layout(array)
        except EinopsError:
            return array

    return dict.fromkeys((*there, *fit.left_over)), take


def _epsilon(fit: Fit, architecture: Architecture, variance: str) -> float:
    fields = fit.mapping.epsilons.items()
    return next(getattr(architecture, field) for field, norms in fields if re.fullmatch(rf"({norms})\.var", variance))


def _check_statements(source: Source) -> None:
    """Refuses numbers that no sound file states."""
    stated = {f"the epsilon of {name}": 0 < value < 1 for name, value in source.epsilons.items()}
    if source.dropout_rate is not None:
        stated["a dropout rate"] = 0 <= source.dropout_rate < 1
    if source.pixels is not None:
        stated["a mean and scale of pixels"] = bool(np.isfinite(source.pixels).all() and source.pixels[1] != 0)
    if wrong := [name for name, sound in stated.items() if not sound]:
        raise PfiqError(f"{source.path}: states nonsense for {', '.join(wrong)}; download or export it again.")


def _array_of(fit: Fit, source: Source, name: str) -> np.ndarray | None:
    """The source's array for a parameter of the library; None where it has none."""
    leaf = fit.leaves.get(name)
    return source.arrays.get(leaf.source) if leaf is not None and leaf.source is not None else None


def _round(leaf: jax.Array, dtype: str) -> jax.Array:
    """Large kernels to the nearest values of a narrow dtype.

    The small ones, in the first layers, are a few hundredths of the bytes and most of the error: on SFace, rounding
    them too raises float16's largest error on a face from 9e-4 to 3.0e-3.
    """
    return leaf.astype(dtype).astype(leaf.dtype) if leaf.size >= LARGE else leaf


def _provenance(fit: Fit, source: Source, license_text: str | None, epsilon: float | None) -> Iterable[tuple[str, str]]:
    sha256 = _sha256(source.path)
    yield "source", source.path.name
    yield "source_sha256", sha256
    if source.companion is not None:
        yield "companion", source.companion.name
        yield "companion_sha256", _sha256(source.companion)
    yield "license", license_text or LICENSES.get(sha256, UNKNOWN_LICENSE)
    yield "network", fit.name
    if fit.rivals:
        yield "fits_alike", f"{', '.join(fit.rivals)}; --network chooses"
    yield "preprocessing", _origin(source.pixels is not None)
    yield "epsilon", "given" if epsilon is not None else _origin(bool(source.epsilons))
    yield "dropout_rate", _origin(source.dropout_rate is not None)
    if fit.folded:
        yield "batch_norms", "folded into the layers before them by the exporter; their statistics are lost"
    yield "converter", CONVERTER
    yield "verified", "nothing; `weights-convert verify` compares it with its source"


def _origin(stated: bool) -> str:
    return "stated by the source" if stated else "as published; the source does not state it"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
