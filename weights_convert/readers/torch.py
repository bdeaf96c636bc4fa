"""``.pt``, ``.pth`` and ``.ckpt`` files that ``torch.save`` wrote."""

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pfiq_jax.errors import PfiqError
from weights_convert.readers.source import Source

if TYPE_CHECKING:
    import torch

DATA_PARALLEL = "module."


def read(path: Path) -> Source:
    """Every tensor of a state dict, or of the state dict that a checkpoint holds under ``state_dict``.

    The file is unpickled with torch's allow-list (``weights_only=True``), which runs no code of the file.
    """
    import torch

    _check_bits(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # advice for who wrote the file, not for who reads it
            state = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise PfiqError(
            f"{path}: is damaged, or holds objects that would run code when loaded, which is refused; "
            "give a file that `torch.save(model.state_dict(), path)` wrote."
        ) from error
    if isinstance(state, dict):
        state = state.get("state_dict", state)
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise PfiqError(
            f"{path}: holds something else than a state dict of tensors; "
            "give a file that `torch.save(model.state_dict(), path)` wrote."
        )
    if all(name.startswith(DATA_PARALLEL) for name in state):
        state = {name.removeprefix(DATA_PARALLEL): tensor for name, tensor in state.items()}
    return Source(path, {name: _array(tensor) for name, tensor in state.items()})


def _array(tensor: "torch.Tensor") -> np.ndarray:
    """A tensor of any float type in float32: NumPy has no bfloat16, and checkpoints come in all widths."""
    return (tensor.float() if tensor.is_floating_point() else tensor).detach().numpy()


def _check_bits(path: Path) -> None:
    """torch does not compare the checksums of its own zip files, so a flipped bit would pass for a weight."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:
                raise ValueError(f"{damaged} has a wrong checksum")
