"""Where shards are written to and images are read from: a folder, or an object store that fsspec supports."""

import abc
import contextlib
import functools
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from pfiq_jax.errors import OutputError, PfiqError
from pfiq_jax.faces.records import Open
from pfiq_jax.outputs import lock, make_folder, naming_output

NO_FSSPEC = "addresses need fsspec; `pip install pfiq-jax[remote]`, and gcsfs, s3fs or what else this kind needs."


def is_address(name: str) -> bool:
    """Whether a name is an address such as gs://bucket/face.jpg, rather than a file."""
    scheme, separator, _ = name.partition("://")
    return bool(separator) and scheme.replace("+", "").replace("-", "").isalnum()


def reason_of(error: Exception) -> str:
    """The message of an exception from the package for a kind of address, on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def opener(address: str) -> Open:
    """A function that opens what is at an address."""
    return functools.partial(_open, address)


def _open(address: str) -> AbstractContextManager[BinaryIO]:
    filesystem, path = filesystem_of(address)
    return filesystem.open(path, "rb")


def filesystem_of(address: str) -> tuple[Any, str]:
    """The file system of an address, from fsspec, and the path in it.

    Raises:
        PfiqError: if fsspec or what it needs for this kind of address is not installed, or it cannot connect.
    """
    try:
        import fsspec
    except ImportError as error:
        raise PfiqError(f"{address}: {NO_FSSPEC}") from error
    try:
        return fsspec.core.url_to_fs(address)
    except Exception as error:  # of any class, from the package for this kind of address
        raise PfiqError(
            f"{address}: cannot be reached ({reason_of(error)}); check the address and the access."
        ) from error


class Store(abc.ABC):
    """A folder of small files, each of which exists as a whole or not at all."""

    name: str

    @abc.abstractmethod
    def names(self) -> set[str]:
        """The names of the files that exist."""

    @abc.abstractmethod
    def read(self, name: str) -> bytes:
        """The content of a file; b"" if it does not exist."""

    @abc.abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Writes or replaces a file; raises an OutputError if that fails."""

    @abc.abstractmethod
    def remove(self, name: str) -> None:
        """Removes a file."""

    @abc.abstractmethod
    def claim(self, name: str) -> AbstractContextManager[object]:
        """Makes other processes that claim this name raise an OutputError, if the store supports it."""


class Folder(Store):
    """A folder of the system. A file is on the disk when ``write`` returns.

    Args:
        path: the folder; it is created if necessary.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path}: is not a folder; give a folder, or a .csv, .jsonl or .parquet file.")
        make_folder(path)

    def names(self) -> set[str]:
        with naming_output(self.path):
            return set(os.listdir(self.path))

    def read(self, name: str) -> bytes:
        with naming_output(self.path / name):
            try:
                return (self.path / name).read_bytes()
            except FileNotFoundError:
                return b""

    def write(self, name: str, content: bytes) -> None:
        partial = self.path / f".{name}"  # what a killed process leaves of it is overwritten by the next one
        with naming_output(self.path / name):
            try:
                _write_through(partial, content)
                partial.replace(self.path / name)
            finally:
                partial.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not every system opens folders
            folder = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def remove(self, name: str) -> None:
        with naming_output(self.path / name):
            (self.path / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[None]:
        path = self.path / name
        with naming_output(path):
            file = path.open("ab")
        with file:
            lock(file, self.path)
            yield
            path.unlink(missing_ok=True)


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


class ObjectStore(Store):
    """What is below an address, such as gs://bucket/scores. A file is uploaded in one step.

    Args:
        address: address of the folder.
    """

    def __init__(self, address: str) -> None:
        self.name = address
        self._files, self._root = filesystem_of(address)

    def names(self) -> set[str]:
        with self._naming(""):
            try:
                return {path.rsplit("/", 1)[-1] for path in self._files.ls(self._root, detail=False, refresh=True)}
            except FileNotFoundError:
                return set()

    def read(self, name: str) -> bytes:
        with self._naming(name):
            try:
                return self._files.cat_file(self._path(name))
            except FileNotFoundError:
                return b""

    def write(self, name: str, content: bytes) -> None:
        with self._naming(name):
            self._files.makedirs(self._root, exist_ok=True)
            self._files.pipe_file(self._path(name), content)

    def remove(self, name: str) -> None:
        with self._naming(name), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def claim(self, name: str) -> AbstractContextManager[object]:
        return contextlib.nullcontext()  # shards are written in one step, so two writers only waste time

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    @contextlib.contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of any class, from the package for this kind of address
            where = f"{self.name.rstrip('/')}/{name}" if name else self.name
            raise OutputError(f"{where}: cannot be used ({reason_of(error)}); choose another output.") from error


def store_of(output: str) -> Store:
    """The object store at an address, or the folder with this name."""
    return ObjectStore(output) if is_address(output) else Folder(Path(output))
