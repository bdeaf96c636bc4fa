"""Small MXNet files."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weights_convert.readers.mxnet_file import V1, V2, V3

LAYOUTS = ("legacy", "v1", "v2", "v3")
CODES = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6}
Node = tuple[str, str, Sequence[str], Mapping[str, Any]]


def params(arrays: Mapping[str, np.ndarray], layout: str = "v2") -> bytes:
    """A ``.params`` file in one of the layouts, with unchanged names."""
    records = [_record(array, layout) for array in arrays.values()]
    names = [struct.pack("<Q", len(name.encode())) + name.encode() for name in arrays]
    return b"".join([struct.pack("<QQQ", 0x112, 0, len(records)), *records, struct.pack("<Q", len(names)), *names])


def _record(array: np.ndarray, layout: str) -> bytes:
    version = {
        "legacy": b"",
        "v1": struct.pack("<I", V1),
        "v2": struct.pack("<Ii", V2, 0),
        "v3": struct.pack("<Ii", V3, 0),
    }[layout]
    shape = struct.pack(f"<I{array.ndim}{'I' if layout == 'legacy' else 'q'}", array.ndim, *array.shape)
    return version + shape + struct.pack("<iii", 1, 0, CODES[array.dtype.name]) + array.tobytes()


def symbol(nodes: Sequence[Node], heads: Sequence[str] = (), key: str = "attrs") -> bytes:
    """A graph of (operation, name, names of inputs, attributes). Inputs without a node of that name are variables.

    By default its head is the last node. Attributes are written as text under ``key``, as MXNet does.
    """
    entries: list[dict[str, Any]] = []
    index: dict[str, int] = {}

    def add(operation: str, name: str, inputs: Sequence[str], attributes: Mapping[str, Any]) -> None:
        for used in inputs:
            if used not in index:
                add("null", used, (), {})
        index[name] = len(entries)
        strings = {option: str(value) for option, value in attributes.items()}
        references = [[index[used], 0, 0] for used in inputs]
        entries.append({"op": operation, "name": name, key: strings, "inputs": references})

    for node in nodes:
        add(*node)
    outputs = [[index[name], 0, 0] for name in heads or (nodes[-1][1],)]
    return json.dumps({"nodes": entries, "heads": outputs}).encode()


NORM = ("gamma", "beta", "moving_mean", "moving_var")
NETWORK: Sequence[Node] = (
    ("_minus_scalar", "minus", ["data"], {"scalar": 127.5}),
    ("_mul_scalar", "times", ["minus"], {"scalar": 0.0078125}),
    ("Convolution", "conv0", ["times", "conv0_weight"], {"kernel": "(3, 3)", "num_filter": 4, "no_bias": True}),
    ("BatchNorm", "bn0", ["conv0", *(f"bn0_{name}" for name in NORM)], {"fix_gamma": False, "eps": 2e-5}),
    ("LeakyReLU", "relu0", ["bn0", "relu0_gamma"], {"act_type": "prelu"}),
    ("Dropout", "dropout0", ["relu0"], {"p": 0.4}),
    ("FullyConnected", "pre_fc1", ["dropout0", "pre_fc1_weight", "pre_fc1_bias"], {"num_hidden": 2}),
    ("BatchNorm", "fc1", ["pre_fc1", *(f"fc1_{name}" for name in NORM)], {}),
)


def network_arrays() -> dict[str, np.ndarray]:
    """The arrays of NETWORK, for pixels (batch, 3, 5, 5)."""
    random = np.random.default_rng(0)
    shapes = {
        "conv0_weight": (4, 3, 3, 3),
        "relu0_gamma": (4,),
        "pre_fc1_weight": (2, 36),
        "pre_fc1_bias": (2,),
        **{f"bn0_{name}": (4,) for name in NORM},
        **{f"fc1_{name}": (2,) for name in NORM},
    }
    return {name: random.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}


def write(
    path: Path, *, nodes: Sequence[Node] = NETWORK, arrays: Mapping[str, np.ndarray] | None = None, **options: Any
) -> Path:
    """Writes a valid pair of files, ``path`` and the symbol next to it, and returns the path."""
    path.write_bytes(params(network_arrays() if arrays is None else arrays))
    path.with_name(f"{path.stem}-symbol.json").write_bytes(symbol(nodes, **options))
    return path
