"""Weights files: ``.safetensors`` whose header holds everything that is not an array."""

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import jax
import jax.numpy as jnp
import msgspec
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Array, PyTree

from pfiq_jax.errors import PfiqError, check_format_version, summarize
from pfiq_jax.good_faces import GoodFaces
from pfiq_jax.learned_head import LearnedHead
from pfiq_jax.outputs import write_atomically
from pfiq_jax.recognizers.header import fields_of, header_of
from pfiq_jax.recognizers.modules import Modules, path_name
from pfiq_jax.recognizers.recognizer import Recognizer

FORMAT_VERSION = 1
LONGEST = 280  # characters of a message with a list of problems
GOOD_FACES, LEARNED_HEAD = "good_faces", "learned_head"  # prefixes of the names of their arrays
FITTED: Mapping[str, tuple[type[GoodFaces] | type[LearnedHead], str]] = MappingProxyType(
    {
        GOOD_FACES: (GoodFaces, "calibrate the recogniser again with `pfiq calibrate`"),
        LEARNED_HEAD: (LearnedHead, "fit the head again with `fit_quality_head`"),
    }
)
HEADER = "pfiq_jax"  # one metadata entry, since safetensors writes several in random order
Kind = Literal["recogniser", "detector"]
"""The content of a weights file; headers of recognisers do not state it."""
HOW_TO_LOAD: Mapping[Kind, str] = MappingProxyType(
    {
        "recogniser": "give it to `load_recognizer` or `--recognizer`",
        "detector": "give it to `load_detector` or `--detector`",
    }
)


def load_recognizer(source: str | os.PathLike[str] | None = None) -> Recognizer:
    """A recogniser from a converted ``.safetensors`` file; without a file, the bundled SFace network.

    Parameters are float32 whatever the file stores. ``Recognizer.with_precision`` runs the trunk in bfloat16.

    Args:
        source: a file that ``weights-convert`` or ``save`` wrote.

    Raises:
        PfiqError: for a file that is missing, truncated or of another format, or whose arrays are missing, unexpected,
            of another shape or not finite. The message has the first problems, and ``details`` has all.

    Example:
        >>> recognizer = pfiq_jax.load_recognizer()
        >>> recognizer.preprocessing.size, recognizer.dropout_rate
        ((112, 112), 0.4)
    """
    path = recognizer_path(source)
    header, arrays = read_weights(path, "recogniser")
    try:
        fields = fields_of(header)
    except PfiqError as error:
        raise PfiqError(f"{path}: {error}; convert the source weights again with `weights-convert convert`.") from error
    fitted: dict[str, Any] = {name: _fitted(name, fields.pop(name), arrays, path) for name in FITTED}
    parameters = fill(fields["network"], arrays, arrays.__getitem__, path)
    return Recognizer(parameters=parameters, **fitted, **fields)


def recognizer_path(source: str | os.PathLike[str] | None) -> Path:
    """The file that ``load_recognizer`` reads: the given file, or that of the bundled network if it is None."""
    return Path(source) if source is not None else Path(str(resources.files("pfiq_jax") / "bundled/sface.safetensors"))


def save_recognizer(recognizer: Recognizer, path: str | os.PathLike[str]) -> None:
    """Writes a file that ``load_recognizer`` reads; see ``Recognizer.save``."""
    arrays = parameters_to_write(path, recognizer.parameters, recognizer.storage_dtype)
    try:
        header = header_of(recognizer)
    except PfiqError as error:
        raise PfiqError(f"{path}: {error}") from error
    fitted = {name: getattr(recognizer, name) for name in FITTED}  # None has no leaves
    arrays |= {name: _narrow(np.asarray(leaf), "float16") for name, leaf in named_leaves(fitted)}
    write_weights(path, header, arrays)


def parameters_to_write(path: str | os.PathLike[str], parameters: PyTree, storage_dtype: str) -> dict[str, np.ndarray]:
    """The arrays of a weights file, by the names of the parameters.

    Raises:
        PfiqError: for parameters that ``fill`` would refuse.
    """
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(parameters)}
    if faults := [f"{name} {fault}" for name, leaf in leaves.items() if (fault := _fault_in(name, leaf))]:
        raise PfiqError(
            f"{path}: was not written, since {summarize(faults, 100)}; train without BatchNorm statistics, see "
            "`Recognizer.trainable`.",
            faults,
        )
    return {name: _narrow(leaf, storage_dtype) for name, leaf in leaves.items()}


def write_weights(path: str | os.PathLike[str], header: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Writes a weights file.

    Raises:
        PfiqError: for a file that cannot be written.
    """
    metadata = {HEADER: json.dumps({"format_version": FORMAT_VERSION, **header})}

    def write(partial: Path) -> None:
        try:
            safetensors.numpy.save_file(arrays, partial, metadata)
        except safetensors.SafetensorError as error:
            raise OSError(str(error)) from error

    write_atomically(path, write)


def named_leaves(tree: PyTree) -> list[tuple[str, Any]]:
    """The leaves of a parameter tree with their dotted names, such as ``trunk.stages.00.01.conv1.kernel``."""
    return [(path_name(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)]


def fill(
    network: Modules,
    names: Collection[str],
    take: Callable[[str], np.ndarray],
    path: str | os.PathLike[str],
    *,
    labels: Mapping[str, str] = MappingProxyType({}),
    fix: str = "give a complete, undamaged file",
    progress: Callable[[list[str]], Iterable[str]] = iter,
) -> PyTree[Array]:
    """The parameter tree of a network, filled by name.

    Args:
        network: the network with these parameters.
        names: names of the arrays in the file, in the form of ``named_leaves``.
        take: returns an array by its name; called once per array.
        path: the file, for messages.
        labels: names of arrays in the file, if they differ from those of the network; for messages.
        fix: how to fix arrays that do not fit, for messages.
        progress: wraps the loop over the parameters, as ``tqdm.tqdm`` does.

    Raises:
        PfiqError: for arrays that are missing, unexpected, of another shape or not finite. The message has the first
            problems, and ``details`` has all.
    """
    shapes = network.shapes()
    wanted = {name: leaf.shape for name, leaf in named_leaves(shapes)}
    surplus = [f"{name} is not part of the network" for name in names if name not in wanted]
    missing, problems, leaves = [], [], []
    for name in progress([*wanted]):
        label = labels.get(name, name)
        if name not in names:
            missing.append(f"{label} is missing")
            continue
        array = take(name)
        if array.shape != wanted[name]:
            place = f" as {name}" if label != name else ""
            problems.append(f"{label} has shape {array.shape} instead of {wanted[name]}{place}")
        elif fault := _fault_in(name, array):
            problems.append(f"{label} {fault}")
        else:
            leaves.append(jnp.asarray(np.ascontiguousarray(array, np.float32)))
    if faults := [*sorted(problems), *sorted(missing), *sorted(surplus)]:
        beginning = f"{path}: does not fit {network}: "
        raise PfiqError(f"{beginning}{summarize(faults, LONGEST - len(beginning + fix))}; {fix}.", faults)
    return jax.tree.unflatten(jax.tree.structure(shapes), leaves)


def _fault_in(name: str, array: np.ndarray) -> str | None:
    """Why an array cannot be a parameter of a network, in words; None if it can."""
    if not jnp.issubdtype(array.dtype, jnp.floating):
        return f"has dtype {array.dtype} instead of a float type"
    if not np.isfinite(array).all():
        return "holds NaN or infinite values"
    if name.endswith(".var") and array.min(initial=0) < 0:
        return "holds negative variances"
    return None


class _Beginning(msgspec.Struct):
    format_version: int
    kind: Kind = "recogniser"


def read_weights(path: Path, kind: Kind) -> tuple[bytes, dict[str, np.ndarray]]:
    """The header and the arrays of a weights file.

    Raises:
        PfiqError: for a file that is missing, truncated, of another format or of another kind.
    """
    found, header, arrays = _read(path)
    if found != kind:
        raise PfiqError(f"{path}: is a face {found}, not a face {kind}; {HOW_TO_LOAD[found]}.")
    return header, arrays


def kind_of(path: Path) -> Kind:
    """Whether a weights file holds a recogniser or a detector.

    Raises:
        PfiqError: for a file that is missing, truncated or of another format.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[Kind, bytes, dict[str, np.ndarray]]:
    fix = "give a file that `weights-convert convert` or `save` wrote."
    if not os.path.isfile(path):  # also for a name that is too long
        raise PfiqError(f"{path}: no such weights file; {fix}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {})[HEADER].encode()
            beginning = msgspec.json.decode(header, type=_Beginning)
            check_format_version(path, beginning.format_version, FORMAT_VERSION, "convert the source weights again")
            return beginning.kind, header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (safetensors.SafetensorError, OSError) as error:
        raise PfiqError(f"{path}: is truncated or not a .safetensors file ({error}); {fix}") from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise PfiqError(f"{path}: its pfiq_jax header is damaged ({str(error)[:100]}); {fix}") from error
    except KeyError as error:
        raise PfiqError(f"{path}: is a .safetensors file without a pfiq_jax header; {fix}") from error


def _narrow(array: np.ndarray, dtype: str) -> np.ndarray:
    """The array in the file's dtype if this changes no value, otherwise as it is.

    It is in C order, since safetensors writes the memory of a transposed array as if it were not transposed.
    """
    array = np.ascontiguousarray(array).reshape(array.shape)  # ascontiguousarray makes a vector of a number
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        narrow = array.astype(jnp.dtype(dtype))
    return narrow if np.array_equal(narrow.astype(array.dtype), array) else array


def _fitted(
    name: str, reference: str | None, arrays: dict[str, np.ndarray], path: Path
) -> GoodFaces | LearnedHead | None:
    """A value that was fitted to the recogniser. Its arrays are removed from those of the file."""
    if reference is None:
        return None
    names = {each for each in arrays if each.startswith(f"{name}.")}
    taken = {each.removeprefix(f"{name}."): arrays.pop(each).astype(np.float32) for each in names}
    kind, remedy = FITTED[name]
    try:
        return kind.from_arrays(taken, reference)
    except PfiqError as error:
        raise PfiqError(f"{path}: {error}; {remedy}.") from error
