"""One reader a file format: file -> ``Source``. A reader knows no architecture.

A new format is one module with a ``read(path) -> Source`` and one line in ``READERS``.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pfiq_jax.errors import PfiqError
from weights_convert.readers import keras_file, mmdnn_file, mxnet_file, onnx_file, safetensors_file, torch_file
from weights_convert.source import Source

__all__ = ["READERS", "read"]


@dataclass(frozen=True)
class Reader:
    """How to read one file format.

    Attributes:
        format: its name in messages.
        read: may raise anything; ``read`` below turns it into one sentence.
    """

    format: str
    read: Callable[[Path], Source]


LFS_POINTER = b"version https://git-lfs"  # what a clone without Git LFS has in the place of a large file
KERAS = Reader("Keras HDF5", keras_file.read)
TORCH = Reader("torch state dict", torch_file.read)
READERS: Mapping[str, Reader] = MappingProxyType(
    {
        ".h5": KERAS,
        ".hdf5": KERAS,
        ".npy": Reader("MMdnn weights", mmdnn_file.read),
        ".onnx": Reader("ONNX", onnx_file.read),
        ".params": Reader("MXNet", mxnet_file.read),
        ".safetensors": Reader("safetensors", safetensors_file.read),
        ".pt": TORCH,
        ".pth": TORCH,
        ".ckpt": TORCH,
    }
)


def read(path: str | os.PathLike[str], symbol: str | os.PathLike[str] | None = None) -> Source:
    """The arrays of a weights file, by the reader that its suffix names. No code in the file is ever run.

    Args:
        path: the file.
        symbol: the graph of an MXNet file; by default the one beside it.

    Raises:
        PfiqError: for a file that is missing, empty, truncated, of no known format, or that would run code.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    try:
        is_file = path.is_file()
    except OSError as error:  # a name too long, or a folder that may not be looked into
        raise PfiqError(f"{path}: cannot be read ({error.strerror}); give the weights file to convert.") from error
    if not is_file:
        raise PfiqError(f"{path}: no such file; give the weights file to convert.")
    if reader is None:
        raise PfiqError(f"{path}: its suffix names no known format; give one of {', '.join(READERS)}.")
    if symbol is not None and reader.read is not mxnet_file.read:
        raise PfiqError(f"{symbol}: only a .params file has a symbol; give none with {path.name}.")
    try:
        return reader.read(path) if symbol is None else mxnet_file.read(path, Path(symbol))
    except PfiqError:
        raise
    except ImportError as error:
        raise PfiqError(
            f"{path}: reading it needs the package {error.name}; pip install 'pfiq-jax[convert]'."
        ) from error
    except Exception as error:  # the parsers raise a dozen kinds on damaged bytes, all with the same mend
        if _begins_with(path, LFS_POINTER):
            raise PfiqError(f"{path}: is a pointer to the weights; fetch them with `git lfs pull`.") from error
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise PfiqError(
            f"{path}: is empty, truncated or no {reader.format} file ({reason}); download or export it again."
        ) from error


def _begins_with(path: Path, beginning: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(beginning)) == beginning
