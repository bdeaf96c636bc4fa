"""One reader per file format, from a file to a ``Source``. Readers do not depend on architectures.

To add a format, add a module with a function ``read(path) -> Source`` and one line to ``READERS``.
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


LFS_POINTER = b"version https://git-lfs"  # content of a large file in a clone without Git LFS


@dataclass(frozen=True)
class Reader:
    """How to read one file format.

    Attributes:
        file_format: name of the format in messages.
        read: the function that reads it. It may raise any exception, which ``read`` below reports in one sentence.
    """

    file_format: str
    read: Callable[[Path], Source]


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
    """Reads a weights file. Its suffix determines the reader. Nothing in the file is executed.

    Args:
        path: the file.
        symbol: the graph of an MXNet file; by default the one next to it.

    Raises:
        PfiqError: if the file is missing, empty, truncated or damaged, or if its format is not known.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    try:
        is_file = path.is_file()
    except OSError as error:  # for example a name that is too long, or a folder without read permission
        raise PfiqError(f"{path}: cannot be read ({error.strerror}); give the weights file to convert.") from error
    if not is_file:
        raise PfiqError(f"{path}: no such file; give the weights file to convert.")
    if reader is None:
        raise PfiqError(f"{path}: has an unknown suffix; give a file with one of {', '.join(READERS)}.")
    if symbol is not None and reader.read is not mxnet_file.read:
        raise PfiqError(f"{symbol}: only .params files have a symbol; omit --symbol for {path.name}.")
    try:
        return reader.read(path) if symbol is None else mxnet_file.read(path, Path(symbol))
    except PfiqError:
        raise
    except ImportError as error:
        raise PfiqError(
            f"{path}: reading it requires the package {error.name}; pip install 'pfiq-jax[convert]'."
        ) from error
    except Exception as error:  # the parsers raise many types for damaged files, and the fix is the same for all
        if _begins_with(path, LFS_POINTER):
            raise PfiqError(f"{path}: is a Git LFS pointer; fetch the file itself with `git lfs pull`.") from error
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise PfiqError(
            f"{path}: is empty, truncated or not in the {reader.file_format} format ({reason}); "
            "download or export it again."
        ) from error


def _begins_with(path: Path, beginning: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(beginning)) == beginning
