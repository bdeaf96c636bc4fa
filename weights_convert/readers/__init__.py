"""One reader per file format, from a file to a ``Source``. Readers do not depend on architectures.

To add a format, add a module with a function ``read(path) -> Source`` and one line to ``READERS``.
"""

import dataclasses
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pfiq_jax.errors import PfiqError
from weights_convert.readers import (
    keras_file,
    mmdnn_file,
    mxnet_file,
    onnx_file,
    safetensors_file,
    sharded,
    torch_file,
)
from weights_convert.source import Source

__all__ = ["READERS", "read"]

BEGINNING = 512  # bytes by which a format is identified
LONGEST_REASON = 100  # characters of a parser's own message


@dataclass(frozen=True)
class Reader:
    """How to read one file format.

    Attributes:
        file_format: name of the format in messages.
        read: the function that reads it. It may raise any exception, which ``read`` below reports in one sentence.
        begins: regular expression for the first bytes of every file of this format.
        suffixes: suffixes of file names, which decide for files whose first bytes decide nothing.
    """

    file_format: str
    read: Callable[[Path], Source]
    begins: bytes
    suffixes: tuple[str, ...]


READERS = (
    Reader("safetensors", safetensors_file.read, rb".{5}\0\0\0\{", (".safetensors",)),
    Reader("torch state dict", torch_file.read, rb"PK\x03\x04|\x80[\x02-\x05]", torch_file.SUFFIXES),
    Reader("ONNX", onnx_file.read, rb"\x08[\x01-\x20][\x12\x1a\x22\x28\x32\x3a\x42\x72]", (".onnx",)),
    Reader("MXNet", mxnet_file.read, rb"\x12\x01\0{6}", (".params",)),
    Reader("Keras HDF5", keras_file.read, rb"\x89HDF\r\n\x1a\n", (".h5", ".hdf5")),
    Reader("MMdnn weights", mmdnn_file.read, rb"\x93NUMPY", (".npy",)),
)
INDEX = Reader("index of shards", sharded.read, rb"(?!)", (sharded.INDEX,))
OTHERS = (  # what files that are not weights begin with: what they are, and what to do
    (rb"version https://git-lfs", "is a Git LFS pointer; fetch the file itself with `git lfs pull`."),
    (rb"\s*(<!doctype|<html|<\?xml)", "is a web page instead of weights; download the file itself."),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd", "is compressed; unpack it and give the weights file."),
    (rb".{257}ustar", "is a tar archive; unpack it and give the weights file in it."),
    (rb"\s*[\{\[]\s*[\"\{\[]", "is a JSON file without weights; give the weights file that belongs to it."),
)


def read(path: str | os.PathLike[str], symbol: str | os.PathLike[str] | None = None, entry: str = "") -> Source:
    """Reads a weights file. Its content determines the reader. No code in the file is executed.

    Args:
        path: the file; or a folder with one weights file, or with shards and their index, as of Hugging Face.
        symbol: the graph of an MXNet file; by default the one next to it.
        entry: which of several networks to take: the place of a state dict in a checkpoint, such as ``model_ema``, or
            the first part of the names of its arrays. By default the one in the most usual place.

    Raises:
        PfiqError: if the file is missing, empty, truncated or damaged, if its format is not known, or if it has no
            such entry.
    """
    path = sharded.in_folder(_there(Path(path)), tuple(s for reader in READERS for s in reader.suffixes))
    reader = _reader(path)
    if symbol is not None and reader.read is not mxnet_file.read:
        raise PfiqError(f"{symbol}: only .params files have a symbol; omit --symbol for {path.name}.")
    if reader is not INDEX:
        sharded.check_is_whole(path)
    source = dataclasses.replace(_read(path, reader, symbol, entry), file_format=reader.file_format)
    return _only(source, entry) if entry else source


def _there(path: Path) -> Path:
    """The path, after checking that there is a file or folder that can be read."""
    try:
        if path.is_file() or path.is_dir():
            path.stat()
            return path
    except OSError as error:  # for example a name that is too long, or a folder without read permission
        raise PfiqError(f"{path}: cannot be read ({error.strerror}); give the weights file to convert.") from error
    raise PfiqError(f"{path}: no such file; give the weights file to convert.")


def _reader(path: Path) -> Reader:
    """The reader of a file, by its first bytes, or by its suffix if they are damaged."""
    with path.open("rb") as file:
        beginning = file.read(BEGINNING)
    if not beginning:
        raise PfiqError(f"{path}: is empty; download or export it again.")
    if path.name.endswith(sharded.INDEX):
        return INDEX
    for reader in READERS:
        if re.match(reader.begins, beginning, re.DOTALL):
            return reader
    for pattern, problem in OTHERS:
        if re.match(pattern, beginning, re.DOTALL | re.IGNORECASE):
            raise PfiqError(f"{path}: {problem}")
    for reader in READERS:
        if path.suffix.lower() in reader.suffixes:
            return reader
    formats = ", ".join(reader.file_format for reader in READERS)
    raise PfiqError(f"{path}: is not in a known format; give a file in one of {formats}.")


def _read(path: Path, reader: Reader, symbol: str | os.PathLike[str] | None, entry: str) -> Source:
    """Calls a reader and turns whatever it raises into one sentence."""
    try:
        if reader.read is torch_file.read:
            return torch_file.read(path, entry)
        return reader.read(path) if symbol is None else mxnet_file.read(path, Path(symbol))
    except PfiqError:
        raise
    except ImportError as error:
        raise PfiqError(
            f"{path}: reading it requires the package {error.name}; install it with `pip install 'pfiq-jax[convert]'`."
        ) from error
    except Exception as error:  # the parsers raise many types for damaged files, and the fix is the same for all
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        reason = reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}..."
        raise PfiqError(
            f"{path}: is truncated or not in the {reader.file_format} format ({reason}); download or export it again."
        ) from error


def _only(source: Source, entry: str) -> Source:
    """The source with the arrays of an entry alone, whose names begin with it unless a reader has chosen it."""
    if entry == source.entry:
        return source
    beginning = entry.removeprefix(f"{source.entry}.") if source.entry else entry
    arrays = {name: array for name, array in source.arrays.items() if name.startswith(f"{beginning}.")}
    if not arrays or source.layers:
        raise PfiqError(f"{source.path}: has no entry {entry!r}; {_choices(source)}.")
    return dataclasses.replace(source, arrays=arrays)


def _choices(source: Source) -> str:
    """The entries that a source has, in words."""
    nested = [name for name in (source.entry, *source.other_entries) if name]
    first = [] if source.layers else dict.fromkeys(name.partition(".")[0] for name in source.arrays if "." in name)
    names = [*nested, *first][:5]
    return f"choose one such as {', '.join(names)}, or omit --entry" if names else "omit --entry"
