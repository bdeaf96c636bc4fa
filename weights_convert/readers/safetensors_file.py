"""``.safetensors`` files of other projects."""

from pathlib import Path

import numpy as np
from safetensors import safe_open

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.weights_file import HEADER, HOW_TO_LOAD, kind_of
from weights_convert.source import Source

READABLE = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL")


def read(path: Path) -> Source:
    """Every array of the file in its own dtype."""
    with safe_open(path, framework="numpy") as file:
        if HEADER in (file.metadata() or {}):
            raise PfiqError(f"{path}: has been converted already; {HOW_TO_LOAD[kind_of(path)]}.")
        arrays: dict[str, np.ndarray] = {}
        for name in file.keys():  # noqa: SIM118 (a safetensors file is not iterable)
            dtype = file.get_slice(name).get_dtype()
            if dtype not in READABLE:
                raise PfiqError(f"{path}: {name[:60]} has the dtype {dtype}; save it as float16 or float32 instead.")
            arrays[name] = file.get_tensor(name)
        return Source(path, arrays)
