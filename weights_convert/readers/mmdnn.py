"""``.npy`` files as MMdnn writes weights for Keras: a pickled dictionary {layer: {name: array}}."""

import mmap
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from weights_convert.readers.pickles import Object, Unpickler
from weights_convert.readers.source import Source

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
NUMBER = re.compile("[<>|][biuf][1248]")


def read(path: Path) -> Source:
    """Every array of the dictionary, as ``layer.name``; written by any Python and any NumPy."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        shape, _, dtype = HEADERS[npy.read_magic(content)](content)
        array = Unpickler(content).load() if shape == () and dtype.hasobject else None
    match array:
        case Object(state=(_, (), _, _, [Object("dict", entries=layers)])) if layers:
            return Source(path, {name: _array(name, value) for name, value in _flat(layers).items()})
    raise ValueError("it holds no dictionary of layers")


def _flat(layers: dict[str, Any]) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for layer, content in layers.items():
        if not isinstance(content, Object):
            raise ValueError(f"{layer} holds no dictionary of arrays")
        arrays |= {f"{layer}.{name}": value for name, value in content.entries.items()}
    return arrays


def _array(name: str, value: Any) -> np.ndarray:
    """What NumPy pickles as (version, shape, dtype, whether column by column, bytes)."""
    match value:
        case Object(
            "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct",
            state=(_, shape, dtype, by_column, data),
        ):
            return np.frombuffer(_bytes(data), _dtype(dtype)).reshape(shape, order="F" if by_column else "C")
        case Object("numpy.core.multiarray.scalar" | "numpy._core.multiarray.scalar", (dtype, data)):
            return np.frombuffer(_bytes(data), _dtype(dtype)).reshape(())
    raise ValueError(f"{name} is no array")


def _dtype(value: Any) -> np.dtype:
    """What NumPy pickles as a kind with a width, and a state with the byte order; numbers only."""
    match value:
        case Object("numpy.dtype", (kind, *_), state=(_, order, *_)):
            text = "".join(part.decode() if isinstance(part, bytes) else part for part in (order, kind))
            if NUMBER.fullmatch(text):
                return np.dtype(text)
    raise ValueError("an array holds something else than numbers")


def _bytes(value: Any) -> bytes:
    match value:
        case bytes():
            return value
        case Object("_codecs.encode", (str(text), "latin1")):  # how Python 3 writes bytes for Python 2
            return text.encode("latin1")
    raise ValueError("an array has no bytes")
