"""MXNet's ``.params`` files with their ``-symbol.json`` files."""

import math
import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from pfiq_jax.errors import PfiqError
from weights_convert.readers.mxnet_symbol import NORM_EPSILON, VARIABLE, Node, Symbol, read_symbol
from weights_convert.readers.pixels import ARITHMETIC
from weights_convert.source import Source

LIST = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA  # in older files the number of dimensions is at this position
DENSE = 0
DTYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8"}
MAX_DIMENSIONS = 32
UNKNOWN_SHAPE = 2**32 - 1
PREFIX = re.compile("^(arg|aux):")
SCALAR_OPERATIONS = {"_plus_scalar": "Add", "_minus_scalar": "Sub", "_mul_scalar": "Mul", "_div_scalar": "Div"}


def read(path: Path, symbol: Path | None = None) -> Source:
    """The arrays that the graph's first output depends on, in the file's own dtypes and without a copy.

    If a BatchNorm has ``fix_gamma``, its gamma is 1 whatever the file contains.

    Args:
        path: the ``.params`` file.
        symbol: its graph; by default ``model-symbol.json`` next to ``model-0000.params``.

    Raises:
        PfiqError: if the graph is missing.
        ValueError: if a file is damaged or has another format.
    """
    symbol = _find_symbol(path) if symbol is None else symbol
    if not symbol.is_file():
        raise PfiqError(f"{symbol}: no such file; give the -symbol.json file of {path.name}.")
    arrays = _read_arrays(path)
    try:
        return _join(path, arrays, symbol)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{symbol.name}: {error}") from error


def _find_symbol(path: Path) -> Path:
    names = dict.fromkeys(f"{stem}-symbol.json" for stem in (re.sub(r"-\d+$", "", path.stem), path.stem))
    for name in names:
        if (symbol := path.with_name(name)).is_file():
            return symbol
    raise PfiqError(
        f"{path}: its graph is missing; put {' or '.join(names)} next to it, or give the graph with --symbol."
    )


class _Cursor:
    """Reads one value after the other from a file, and raises ValueError at its end."""

    def __init__(self, path: Path):
        self.rest = np.asarray(np.memmap(path, np.uint8, "r"))

    def take(self, dtype: str, count: int) -> np.ndarray:
        size = count * np.dtype(dtype).itemsize
        if size > len(self.rest):
            raise ValueError("it ends too early")
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken.view(dtype)

    def number(self, dtype: str) -> int:
        return int(self.take(dtype, 1)[0])

    def count(self, smallest: int) -> int:
        """The number of records that follow, where each record has at least ``smallest`` bytes."""
        count = self.number("<u8")
        if count * smallest > len(self.rest):
            raise ValueError("it ends too early")
        return count


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of the file by its name without the prefix."""
    cursor = _Cursor(path)
    if cursor.number("<u8") != LIST:
        raise ValueError("it does not begin like one")
    cursor.number("<u8")  # reserved
    arrays = [_read_array(cursor) for _ in range(cursor.count(4))]
    names = [bytes(cursor.take("u1", cursor.count(1))).decode() for _ in range(cursor.count(8))]
    names = [PREFIX.sub("", name) for name in names]
    if len(names) != len(arrays) or len(set(names)) != len(names):
        raise ValueError("it does not have one unique name per array")
    if cursor.rest.size:
        raise ValueError("it continues after its end")
    return {name: array for name, array in zip(names, arrays, strict=True) if array is not None}


def _read_array(cursor: _Cursor) -> np.ndarray | None:
    """The next array; None if it was saved before it had a shape."""
    version = cursor.number("<u4")
    if version in (V2, V3) and cursor.number("<i4") != DENSE:
        raise ValueError("it contains sparse arrays")
    num_dimensions, dimension = (cursor.number("<u4"), "<u8") if version in (V1, V2, V3) else (version, "<u4")
    if num_dimensions == (UNKNOWN_SHAPE if version == V3 else 0):
        return None
    if num_dimensions > MAX_DIMENSIONS:
        raise ValueError(f"it contains an array of {num_dimensions} dimensions")
    shape = cursor.take(dimension, num_dimensions).tolist()
    cursor.take("<i4", 2)  # the device of the array
    code = cursor.number("<i4")
    if code not in DTYPES:
        raise ValueError(f"it contains an array of the unknown dtype {code}")
    return cursor.take(DTYPES[code], math.prod(shape)).reshape(shape)


def _join(path: Path, arrays: dict[str, np.ndarray], symbol_path: Path) -> Source:
    symbol = read_symbol(symbol_path)
    names = {node.name for operation in symbol.operations for node in operation.inputs if node.operation == VARIABLE}
    arrays = {name: array for name, array in arrays.items() if name in names}
    epsilons = {}
    for node in symbol.operations:
        if node.operation == "BatchNorm":
            if len(node.inputs) != 5:
                raise ValueError(f"{node.name!r} does not have four arrays")
            _, gamma, _, mean, _ = (used.name for used in node.inputs)
            epsilons[mean] = node.fraction("eps", NORM_EPSILON)
            if node.flag("fix_gamma", True) and gamma in arrays:
                arrays[gamma] = np.ones_like(arrays[gamma])
    dropout_rates = [node.fraction("p", 0.5) for node in symbol.operations if node.operation == "Dropout"]
    return Source(
        path,
        arrays,
        epsilons,
        pixels=_pixels(symbol),
        dropout_rate=dropout_rates[-1] if dropout_rates else None,
        companions=(symbol_path,),
    )


def _pixels(symbol: Symbol) -> tuple[float, float] | None:
    """(mean, scale) such that ``(pixels - mean) * scale`` equals the first operations of the graph, or None."""
    readers: dict[Node, list[Node]] = defaultdict(list)
    for operation in symbol.operations:
        for used in operation.inputs:
            readers[used].append(operation)
    mean, scale, node = 0.0, 1.0, symbol.data
    while len(readers[node]) == 1:
        (node,) = readers[node]
        if node.operation in SCALAR_OPERATIONS:
            mean, scale = ARITHMETIC[SCALAR_OPERATIONS[node.operation]](mean, scale, node.number("scalar"))
        elif node.operation != "identity":
            break
        if scale == 0 or not math.isfinite(mean) or not math.isfinite(scale):
            raise ValueError(f"{node.name!r} removes all information from the pixels")
    return None if (mean, scale) == (0.0, 1.0) else (mean, scale)
