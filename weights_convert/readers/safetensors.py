"""``.safetensors`` files of other projects."""

from pathlib import Path

import numpy as np
from safetensors import safe_open

from weights_convert.readers.source import Source


def read(path: Path) -> Source:
    """Every array of the file."""
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
    floats = [name for name, array in arrays.items() if array.dtype.kind not in "biuc"]  # bfloat16's kind is "V"
    return Source(path, arrays | {name: arrays[name].astype(np.float32) for name in floats})
