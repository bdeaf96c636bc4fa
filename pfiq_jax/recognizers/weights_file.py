"""Weights on disk: ``.safetensors`` whose header says all that is not an array."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
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

from pfiq_jax.calibration import Calibration
from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.inception_resnet import InceptionResNetV1
from pfiq_jax.recognizers.iresnet import IResNet
from pfiq_jax.recognizers.mobilefacenet import MobileFaceNet
from pfiq_jax.recognizers.preprocessing import Preprocessing
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.recognizers.sface import SFace

FORMAT_VERSION = 1
NAMED = 20  # arrays of one kind in a message: another network's differ by hundreds
HEADER = "pfiq_jax"  # one metadata entry, since safetensors writes several in random order
ARCHITECTURES: Mapping[str, type[Architecture]] = {
    "iresnet": IResNet,
    "sface": SFace,
    "mobilefacenet": MobileFaceNet,
    "inception_resnet_v1": InceptionResNetV1,
}


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
            parameters=fill(network, arrays, arrays.__getitem__, path),
            network=network,
            preprocessing=preprocessing,
            dropout_rate=float(header["dropout_rate"]),
            dropout_granularity=header["dropout_granularity"],
            dtype=header["dtype"],
            provenance=tuple((str(name), str(text)) for name, text in header["provenance"].items()),
            calibrations=tuple(_calibration(fields) for fields in header.get("calibrations", [])),
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
        "calibrations": [dataclasses.asdict(each) for each in recognizer.calibrations],
    }
    arrays = {name: _narrow(np.asarray(leaf), recognizer.dtype) for name, leaf in named_leaves(recognizer.parameters)}
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.touch()  # for the system's own words where it cannot be written
        safetensors.numpy.save_file(arrays, partial, {HEADER: json.dumps(header)})
        partial.replace(path)  # a run that is cut off leaves no half file behind
    except (OSError, safetensors.SafetensorError) as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        reason = getattr(error, "strerror", None) or error
        raise PfiqError(f"{path}: cannot be written ({reason}); choose another place.") from error


def named_leaves(tree: PyTree) -> list[tuple[str, Any]]:
    """The leaves of a parameter tree with their dotted names, as ``trunk.stages.0.1.conv1.kernel``."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in flat]


def fill(
    network: Architecture,
    names: Collection[str],
    take: Callable[[str], np.ndarray],
    path: str | os.PathLike[str],
    *,
    labels: Mapping[str, str] = MappingProxyType({}),
    progress: Callable[[list[str]], Iterable[str]] = iter,
) -> PyTree[Array]:
    """The parameter tree of a network, filled by name.

    Args:
        network: whose parameters these are.
        names: of the arrays in the file, as ``named_leaves`` gives them.
        take: gives an array by its name; asked once for each.
        path: of the file, for messages.
        labels: what messages call arrays that have another name in the file.
        progress: wraps the loop over the parameters, as ``tqdm.tqdm`` does.

    Raises:
        PfiqError: one message with every array that is missing, left over, misshapen or not finite.
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
        elif not jnp.issubdtype(array.dtype, jnp.floating):
            problems.append(f"{label} has dtype {array.dtype}, which is no float")
        elif not np.isfinite(array).all():
            problems.append(f"{label} holds NaN or infinite values")
        elif name.endswith(".var") and array.min(initial=0) < 0:
            problems.append(f"{label} holds negative variances")
        else:
            leaves.append(jnp.asarray(np.ascontiguousarray(array, np.float32)))
    if missing or surplus or problems:
        told = "; ".join((*sorted(problems), *_first(sorted(missing)), *_first(sorted(surplus))))
        raise PfiqError(
            f"{path}: does not fit {network}: {told}. Give a whole, undamaged file, or name another architecture."
        )
    return jax.tree.unflatten(jax.tree.structure(shapes), leaves)


def _first(problems: list[str]) -> list[str]:
    more = len(problems) - NAMED
    return problems if more <= 0 else [*problems[:NAMED], f"and {more} more like that"]


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
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        narrow = array.astype(jnp.dtype(dtype))
    return narrow if np.array_equal(narrow.astype(array.dtype), array) else array


def _calibration(fields: dict[str, Any]) -> Calibration:
    return Calibration(**{name: _tuples(value) for name, value in fields.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
