"""``.h5`` and ``.hdf5`` files in which Keras saved the weights or the whole model."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pfiq_jax.errors import PfiqError
from weights_convert.source import Source

if TYPE_CHECKING:
    import h5py

WHOLE_MODEL = "model_weights/"  # the weights in a file of a whole model, which also contains the optimizer's
NAMELESS = re.compile(r"(.*/)?vars/\d+")


def read(path: Path) -> Source:
    """Every array by the last two parts of its path, ``layer/name``, such as ``bn0/moving_mean``.

    The model's configuration is not read, because it may contain code. Links are not followed, because they may lead
    to other files.
    """
    import h5py

    members: dict[str, h5py.HLObject] = {}
    with h5py.File(path, "r") as file:
        file.visititems(members.__setitem__)  # does not follow links
        datasets = {name: member for name, member in members.items() if isinstance(member, h5py.Dataset)}
        datasets = {name: d for name, d in datasets.items() if name.startswith(WHOLE_MODEL)} or datasets
        if not datasets:
            raise ValueError("it does not contain any arrays")
        if any(map(NAMELESS.fullmatch, datasets)):
            raise PfiqError(
                f"{path}: its arrays have numbers instead of names, as in weights saved by Keras 3; "
                "load it in Keras and save the whole model with `model.save('model.h5')`."
            )
        left = path.stat().st_size
        arrays: dict[str, np.ndarray] = {}
        for long_name, dataset in datasets.items():
            _check(path, dataset)
            left -= dataset.nbytes
            if left < 0:
                raise ValueError("its arrays are larger than the file")
            name = "/".join(long_name.split("/")[-2:]).removesuffix(":0")
            if name in arrays:
                raise ValueError(f"two arrays have the name {name}")
            arrays[name] = dataset[()]
    return Source(path, arrays)


def _check(path: Path, dataset: "h5py.Dataset") -> None:
    """Rejects everything except arrays of numbers that are stored contiguously in the file itself, as Keras does."""
    import h5py

    layout = dataset.id.get_create_plist()
    if layout.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT) or layout.get_external_count():
        raise PfiqError(
            f"{path}: {dataset.name} is compressed, chunked or stored in another file; "
            "rewrite it with `h5repack -l CONTI -f NONE`."
        )
    if dataset.dtype.kind not in "biuf" or not dataset.size or dataset.id.get_storage_size() != dataset.nbytes:
        raise ValueError(f"{dataset.name} is not an array of numbers")
