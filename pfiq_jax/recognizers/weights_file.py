"""Weights on disk: ``.safetensors`` whose header says all that is not an array."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Array, PyTree

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.inception_resnet import InceptionResNetV1
from pfiq_jax.recognizers.iresnet import IResNet
from pfiq_jax.recognizers.mobilefacenet import MobileFaceNet
from pfiq_jax.recognizers.preprocessing import Preprocessing
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.recognizers.sface import SFace

FORMAT_VERSION = 1
HEADER = "pfiq_jax"  # one metadata entry, since safetensors writes several in random order
ARCHITECTURES: Mapping[str, type[Architecture]] = {
    "iresnet": IResNet,
    "sface": SFace,
    "mobilefacenet": MobileFaceNet,
    "inception_resnet_v1": InceptionResNetV1,
}
FLOAT_DTYPES = ("float32", "float16", "bfloat16")


def load_recognizer(source: str | os.PathLike[str] | None = None) -> Recognizer:
    """A recogniser from a converted ``.safetensors`` file; without one, the bundled SFace network.

    Parameters are float32 whatever the file stores; cast the leaves of the pytree to run the trunk in another dtype.

    Args:
        source: a file that ``weights-convert`` or ``save`` wrote.

    Raises:
        PfiqError: for a file that is missing, truncated, of another format, or whose arrays are missing, left over,
            misshapen or not finite; all that is wrong with its arrays is in one message.
    """
    path = Path(source) if source is not None else Path(str(resources.files("pfiq_jax") / "bundled/sface.safetensors"))
    header, arrays = _read(path)
    try:
        network = ARCHITECTURES[header["architecture"]](**header["options"])
        preprocessing = Preprocessing(**{name: _tuples(value) for name, value in header["preprocessing"].items()})
        recognizer = Recognizer(
            parameters=fill(network, arrays, path),
            network=network,
            preprocessing=preprocessing,
            dropout_rate=float(header["dropout_rate"]),
            dropout_granularity=header["dropout_granularity"],
            dtype=header["dtype"],
            provenance=tuple((str(name), str(text)) for name, text in header["provenance"].items()),
        )
    except PfiqError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PfiqError(
            f"{path}: its header names an unknown or incomplete architecture ({error!r}); convert the source weights "
            "again with `weights-convert convert`."
        ) from error
    return recognizer


def save_recognizer(recognizer: Recognizer, path: str | os.PathLike[str]) -> None:
    """Writes what ``load_recognizer`` reads back; see ``Recognizer.save``."""
    network = recognizer.network
    names = {kind: name for name, kind in ARCHITECTURES.items()}
    if not isinstance(network, Architecture) or type(network) not in names:
        raise PfiqError(
            f"{path}: only the library's own architectures can be saved; keep your parameters with your own code."
        )
    header = {
        "format_version": FORMAT_VERSION,
        "architecture": names[type(network)],
        "options": dataclasses.asdict(network),
        "preprocessing": dataclasses.asdict(recognizer.preprocessing),
        "dropout_rate": recognizer.dropout_rate,
        "dropout_granularity": recognizer.dropout_granularity,
        "dtype": recognizer.dtype,
        "provenance": dict(recognizer.provenance),
    }
    arrays = {name: _narrow(np.asarray(leaf), recognizer.dtype) for name, leaf in named_leaves(recognizer.parameters)}
    data = safetensors.numpy.save(arrays, {HEADER: json.dumps(header)})
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)  # a run that is cut off leaves no half file behind
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise PfiqError(f"{path}: cannot be written ({error.strerror}); choose another place.") from error


def named_leaves(tree: PyTree) -> list[tuple[str, Any]]:
    """The leaves of a parameter tree with their dotted names, as ``trunk.stages.0.1.conv1.kernel``."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in flat]


def fill(
    network: Architecture,
    arrays: Mapping[str, np.ndarray],
    path: str | os.PathLike[str],
    labels: Mapping[str, str] = MappingProxyType({}),
) -> PyTree[Array]:
    """The parameter tree of a network, filled by name.

    Args:
        network: whose parameters these are.
        arrays: by the names of ``named_leaves``.
        path: of the file, for messages.
        labels: what messages call arrays that have another name in the file.

    Raises:
        PfiqError: one message with every array that is missing, left over, misshapen or not finite.
    """
    shapes = network.shapes()
    wanted = dict(named_leaves(shapes))
    label = {name: labels.get(name, name) for name in (*wanted, *arrays)}
    problems = [f"{label[name]} is missing" for name in wanted if name not in arrays]
    problems += [f"{label[name]} is not part of the network" for name in arrays if name not in wanted]
    for name in wanted.keys() & arrays.keys():
        array, shape = arrays[name], wanted[name].shape
        if array.shape != shape:
            place = f" as {name}" if label[name] != name else ""
            problems.append(f"{label[name]} has shape {array.shape} instead of {shape}{place}")
        elif str(array.dtype) not in FLOAT_DTYPES:
            problems.append(f"{label[name]} has dtype {array.dtype} instead of one of {', '.join(FLOAT_DTYPES)}")
        elif not np.isfinite(array).all():
            problems.append(f"{label[name]} holds NaN or infinite values")
    if problems:
        raise PfiqError(
            f"{path}: does not fit {network}: {'; '.join(sorted(problems))}. "
            "Give a whole, undamaged file, or name another architecture."
        )
    leaves = [jnp.asarray(np.asarray(arrays[name], np.float32)) for name in wanted]
    return jax.tree.unflatten(jax.tree.structure(shapes), leaves)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    mend = "give a file that `weights-convert convert` or `Recognizer.save` wrote."
    if not path.is_file():
        raise PfiqError(f"{path}: no such weights file; {mend}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            if header["format_version"] != FORMAT_VERSION:
                raise PfiqError(
                    f"{path}: has format version {header['format_version']}, this release reads {FORMAT_VERSION}; "
                    "upgrade pfiq_jax or convert the source weights again."
                )
            return header, {name: file.get_tensor(name) for name in file.keys()}
    except (safetensors.SafetensorError, OSError) as error:
        raise PfiqError(f"{path}: is truncated or not a .safetensors file ({error}); {mend}") from error
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise PfiqError(f"{path}: is a .safetensors file without a pfiq_jax header; {mend}") from error


def _narrow(array: np.ndarray, dtype: str) -> np.ndarray:
    """The array in the file's dtype if that changes no bit of it, else as it is."""
    with np.errstate(over="ignore"):
        narrow = array.astype(jnp.dtype(dtype))
    return narrow if np.array_equal(narrow.astype(array.dtype), array) else array


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
