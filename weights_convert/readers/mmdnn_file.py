"""``.npy`` files in which MMdnn saves weights for Keras: a pickled dictionary {layer: {name: array}}."""

import mmap
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from weights_convert.readers.pickles import Object, Unpickler
from weights_convert.source import Source

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
NUMBER = re.compile("[<>|][biuf][1248]")


def read(path: Path) -> Source:
    """Every array of the dictionary by ``layer.name``, from files of any version of Python and NumPy."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        shape, _, dtype = HEADERS[npy.read_magic(content)](content)
        array = Unpickler(content).load() if shape == () and dtype.hasobject else None
        left = len(content)
    match array:
        case Object(state=(_, (), _, _, [Object("dict", entries=layers)])) if layers:
            pass
        case _:
            raise ValueError("it does not contain a dictionary of layers")
    arrays: dict[str, np.ndarray] = {}
    for layer, weights in layers.items():
        if not isinstance(weights, Object) or weights.name != "dict":
            raise ValueError(f"{layer} is not a dictionary of arrays")
        for name, value in weights.entries.items():
            arrays[f"{layer}.{name}"] = array = _array(f"{layer}.{name}", value)
            left -= array.nbytes
            if left < 0:  # a pickle may refer to the same text many times, and each reference becomes a copy
                raise ValueError("its arrays are larger than the file")
    return Source(path, arrays)


def _array(name: str, value: Any) -> np.ndarray:
    """An array that NumPy pickled as (version, shape, dtype, is in column-major order, bytes)."""
    match value:
        case Object(
            "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct",
            state=(_, shape, dtype, by_column, data),
        ):
            return np.frombuffer(_bytes(data), _dtype(dtype)).reshape(shape, order="F" if by_column else "C")
        case Object("numpy.core.multiarray.scalar" | "numpy._core.multiarray.scalar", (dtype, data)):
            return np.frombuffer(_bytes(data), _dtype(dtype)).reshape(())
    raise ValueError(f"{name} is not an array")


def _dtype(value: Any) -> np.dtype:
    """A dtype of numbers that NumPy pickled as a kind with a width, and a state with the byte order."""
    match value:
        case Object("numpy.dtype", (kind, *_), state=(_, order, *_)):
            text = "".join(part.decode() if isinstance(part, bytes) else part for part in (order, kind))
            if NUMBER.fullmatch(text):
                return np.dtype(text)
    raise ValueError("an array contains something other than numbers")


def _bytes(value: Any) -> bytes:
    match value:
        case bytes():
            return value
        case Object("_codecs.encode", (str(text), "latin1")):  # bytes that Python 3 wrote for Python 2
            return text.encode("latin1")
    raise ValueError("an array has no bytes")
