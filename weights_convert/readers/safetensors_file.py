"""``.safetensors`` files of other projects."""

from pathlib import Path

import numpy as np
from safetensors import safe_open

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.weights_file import HEADER
from weights_convert.source import Source


def read(path: Path) -> Source:
    """Every array of the file; bfloat16 is converted to float32, because NumPy does not have it."""
    with safe_open(path, framework="numpy") as file:
        if HEADER in (file.metadata() or {}):
            raise PfiqError(f"{path}: has been converted already; give it to `load_recognizer` or `pfiq --recognizer`.")
        names = file.keys()  # a safetensors file is not iterable
        return Source(path, {name: _array(file.get_tensor(name)) for name in names})


def _array(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.kind == "V" else array
