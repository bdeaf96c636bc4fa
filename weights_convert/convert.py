"""From a weights file of another framework to a ``Recognizer``."""

import dataclasses
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
from jaxtyping import Array, PyTree

from pfiq_jax.detection import Detector, YuNet
from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.recognizers.modules import Modules
from pfiq_jax.recognizers.provenance import Provenance, sha256_of
from pfiq_jax.recognizers.weights_file import fill, named_leaves
from weights_convert.mappings import Fit, choose
from weights_convert.preprocessing import NOTHING_GIVEN, Given, preprocessing_of
from weights_convert.readers import read
from weights_convert.source import Source

CONVERTER = "weights_convert 1"  # increased when the same source is converted to different weights
LICENSES: Mapping[str, str] = MappingProxyType(  # by the SHA-256 digest of the file
    {
        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee": (
            "Apache-2.0 (SFace, OpenCV Zoo face_recognition_sface_2021dec)"
        ),
        "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10": (
            "MIT (YuNet, OpenCV Zoo face_detection_yunet_2023mar)"
        ),
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4": (
            "MIT (YuNet, OpenCV Zoo face_detection_yunet_2023mar)"
        ),
        "b151f97e392e68cb540fb9710a91a574a4187d491eeda77d1c1799ae6dc3b82b": (
            "non-commercial research only (MobileFaceNet y1, insightface model zoo)"
        ),
    }
)
FIX = "`weights-convert inspect` lists all, and --network names another network"
LARGE = 2**18  # number of weights in a kernel
UNKNOWN_LICENSE = "unknown; check the terms of the source"


def convert(
    source: str | os.PathLike[str] | Source,
    *,
    network: str | None = None,
    dtype: Literal["float32", "float16", "bfloat16"] = "float32",
    epsilon: float | None = None,
    preprocessing: Given = NOTHING_GIVEN,
    license_text: str | None = None,
    progress: Callable[[list[str]], Iterable[str]] = iter,
) -> Recognizer | Detector:
    """Converts a weights file of another framework to a recogniser, or to a detector if it holds one.

    Args:
        source: path of a file in one of the formats of ``readers.READERS``, or the result of ``readers.read``.
        network: name of the network, such as ``iresnet100``; by default it is found from the names of the arrays,
            or from the order of the layers.
        dtype: float16 and bfloat16 round the large kernels to that type, so that ``Recognizer.save`` needs half the
            bytes for them.
        epsilon: epsilon of every BatchNorm; by default the value that the file states, otherwise the published one.
        preprocessing: channel order, mean and scale, where they differ from those that the file states or that were
            published with the network.
        license_text: licence of the weights; written into the saved file.
        progress: wraps the loop over the arrays, as ``tqdm.tqdm`` does.

    Raises:
        PfiqError: if the file cannot be read (see ``readers.read``), or does not fit the network. Its ``details`` list
            every array that is missing, unused, of the wrong shape or not finite.
    """
    if not isinstance(source, Source):
        source = read(source)
    if epsilon is not None and not 0 < epsilon < 1:
        raise PfiqError(f"epsilon: is {epsilon:g}, not between 0 and 1; give a small positive number such as 1e-5.")
    _check_statements(source)
    fit = choose(source, network)
    given = (*preprocessing.names(), *(() if epsilon is None else ("epsilon",)))
    architecture = configure(fit, source, epsilon)
    prepared = preprocessing_of(fit, source, preprocessing)
    label = f"{source.path}" if network else f"{source.path}, most similar to {fit.name}"
    names, take = in_library_layout(fit, architecture, source)
    source = dataclasses.replace(source, arrays={})  # `take` frees each array once it is converted
    labels = {name: array for array, name in fit.sources().items()}
    parameters = fill(architecture, names, take, label, labels=labels, fix=FIX, progress=progress)
    parameters = _round_all(parameters, dtype, source.path)
    provenance = _provenance(fit, source, license_text, given)
    if isinstance(architecture, YuNet):
        return _detector(Detector(parameters, architecture, dtype, provenance), source.path)
    return Recognizer(
        parameters=parameters,
        network=architecture,  # type: ignore[arg-type]
        preprocessing=prepared,
        dropout_rate=fit.mapping.dropout_rate if source.dropout_rate is None else source.dropout_rate,
        dropout_granularity=fit.mapping.dropout_granularity,
        folded_batch_norms=fit.folded_batch_norms,
        storage_dtype=dtype,
        provenance=provenance,
    )


def _detector(detector: Detector, path: Path) -> Detector:
    """A converted detector. Its architecture includes the preprocessing, so none can be given or assumed."""
    if given := detector.provenance.given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise PfiqError(f"{path}: is a face detector, whose preprocessing is fixed; omit {options}.")
    return dataclasses.replace(detector, provenance=dataclasses.replace(detector.provenance, assumed=()))


def configure(fit: Fit, source: Source, epsilon: float | None = None) -> Modules:
    """The architecture of the fitted network, with the options that follow from the source's arrays and metadata."""
    architecture = fit.mapping.networks[fit.name]
    names = ("head.bias", *(f"head.output_norm.{leaf}" for leaf in ("scale", "bias", "mean", "var")))
    vectors = [_array_of(fit, source, name) for name in names]
    lengths = [vector.size for vector in vectors if vector is not None and vector.ndim == 1 and vector.size]
    options: dict[str, float] = {"dim": statistics.mode(lengths)} if lengths else {}
    fields = fit.mapping.epsilons
    if epsilon is not None and len(fields) > 1:
        raise PfiqError(f"{source.path}: {fit.name} has several different BatchNorm epsilons; omit --epsilon.")
    for field, norms in fields.items():
        means = [leaf.source for name, leaf in fit.leaves.items() if re.fullmatch(rf"({norms})\.mean", name)]
        stated = {source.epsilons[name] for name in means if name is not None and name in source.epsilons}
        if epsilon is not None:
            options[field] = epsilon
        elif len(stated) == 1:
            (options[field],) = stated
        elif stated:
            raise PfiqError(
                f"{source.path}: states several epsilons {sorted(stated)}, but {fit.name} has one {field}; "
                "use the file as published."
            )
    return dataclasses.replace(architecture, **options)


def in_library_layout(
    fit: Fit, architecture: Modules, source: Source
) -> tuple[Collection[str], Callable[[str], np.ndarray]]:
    """The library's names of a source's arrays, and a function from such a name to its array in the library's layout.

    The function can be called once per name, because it frees the source's array. Unused arrays keep their own names,
    and an array whose axes do not match its layout is returned unchanged, so that ``weights_file.fill`` reports
    everything that is wrong with a file.
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


def _epsilon(fit: Fit, architecture: Modules, variance: str) -> float:
    fields = fit.mapping.epsilons.items()
    return next(getattr(architecture, field) for field, norms in fields if re.fullmatch(rf"({norms})\.var", variance))


def _check_statements(source: Source) -> None:
    """Rejects metadata with impossible values."""
    valid = {f"the epsilon of {name}": 0 < value < 1 for name, value in source.epsilons.items()}
    if source.dropout_rate is not None:
        valid["the dropout rate"] = 0 <= source.dropout_rate < 1
    if source.pixels is not None:
        valid["the mean and scale of the pixels"] = bool(np.isfinite(source.pixels).all() and source.pixels[1] != 0)
    if wrong := [name for name, is_valid in valid.items() if not is_valid]:
        raise PfiqError(f"{source.path}: states impossible values for {', '.join(wrong)}; download or export it again.")


def _array_of(fit: Fit, source: Source, name: str) -> np.ndarray | None:
    """The source's array for a parameter of the library, or None."""
    leaf = fit.leaves.get(name)
    return source.arrays.get(leaf.source) if leaf is not None and leaf.source is not None else None


def _round_all(parameters: PyTree[Array], dtype: str, path: Path) -> PyTree[Array]:
    """The parameters as a file of a narrow dtype holds them."""
    if dtype == "float32":
        return parameters
    parameters = jax.tree.map(lambda leaf: _round(leaf, dtype), parameters)
    if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(parameters)):
        raise PfiqError(f"{path}: has weights outside the range of {dtype}; convert it with --dtype float32.")
    return parameters


def _round(leaf: jax.Array, dtype: str) -> jax.Array:
    """Rounds large kernels to the nearest values of a narrow dtype.

    The small kernels of the first layers take a few percent of the bytes but would cause most of the error. On SFace,
    rounding them as well raises the largest error per face in float16 from 9e-4 to 3.0e-3.
    """
    return leaf.astype(dtype).astype(leaf.dtype) if leaf.size >= LARGE else leaf


def _provenance(fit: Fit, source: Source, license_text: str | None, given: tuple[str, ...]) -> Provenance:
    sha256 = sha256_of(source.path)
    stated = {
        "preprocessing": source.pixels is not None or {"mean", "scale"} <= set(given),
        "epsilon": bool(source.epsilons),
        "dropout_rate": source.dropout_rate is not None,
    }
    return Provenance(
        source=source.path.name,
        source_sha256=sha256,
        companion=", ".join(companion.name for companion in source.companions),
        companion_sha256=", ".join(sha256_of(companion) for companion in source.companions),
        entry=_entry(source, fit.prefix if fit.other_prefixes else ""),
        other_entries=(*source.other_entries, *(_entry(source, prefix) for prefix in fit.other_prefixes)),
        license=license_text or LICENSES.get(sha256, UNKNOWN_LICENSE),
        network=fit.name,
        also_fits=fit.also_fits,
        assumed=tuple(name for name, is_stated in stated.items() if not is_stated and name not in given),
        given=given,
        converter=CONVERTER,
    )


def _entry(source: Source, prefix: str) -> str:
    """The place of a state dict, and the beginning of its names if the source has several networks."""
    return ".".join(filter(None, (source.entry, prefix.removesuffix("."))))
