"""The writer of all files: a file is written completely or not changed; a file that grows has whole rows."""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

import portalocker

from pfiq_jax.errors import OutputError

Result = TypeVar("Result")


def check_output(path: str | os.PathLike[str]) -> None:
    """Checks before the work that a file can be written. Its content does not change.

    Raises:
        OutputError: if it cannot.
    """
    with naming_output(path):
        target = _target(path)
        if target.exists():
            target.open("ab").close()
            probe = _partial(target)  # in the same folder, from which it would replace the target
            probe.touch(exist_ok=False)
            probe.unlink()
        else:
            target.touch(exist_ok=False)
            target.unlink()


def make_folder(path: Path) -> None:
    """Creates a folder for outputs, and its parent folders.

    Raises:
        OutputError: if it cannot be created.
    """
    with naming_output(path):
        path.mkdir(parents=True, exist_ok=True)


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], Result]) -> Result:
    """Writes a file next to its target, then replaces the target in one step.

    A new file gets the permissions that the umask allows, an existing one keeps its own. Symbolic links are followed:
    their target is replaced.

    Args:
        path: the target.
        write: writes the content to the path that it is given. The path has the suffix of the target and exists.

    Returns:
        The result of ``write``.

    Raises:
        OutputError: if the target exists and is not a regular file, or if ``write`` or the file system raises an
            OSError. The target is not changed then.
    """
    with naming_output(path):
        target = _target(path)
        partial = _partial(target)
        try:
            partial.touch(exist_ok=False)
            mode = (target if target.exists() else partial).stat().st_mode
            result = write(partial)
            partial.chmod(mode & 0o777)  # some writers replace the file by a private one
            partial.replace(target)
            return result
        finally:
            partial.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file in UTF-8, atomically. File names that are not valid UTF-8 keep their bytes.

    Raises:
        OutputError: as ``write_atomically``.
    """
    write_atomically(path, lambda partial: partial.write_text(text, "utf-8", "surrogateescape", newline=""))


class RowsFile:
    """A text file that grows by whole rows, so that an interrupted run keeps its results. A context manager.

    Only one process can write it at a time. An existing file is replaced when the first rows are written. Symbolic
    links are followed. File names that are not valid UTF-8 keep their bytes.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def __enter__(self) -> "RowsFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def go_on(self, keep: Callable[[str], str]) -> None:
        """Continues an existing file.

        Args:
            keep: returns the part of its text to keep; the text may end within a row.

        Raises:
            OutputError: if the file cannot be written, or another process writes it.
        """
        with naming_output(self._path):
            file = self._open()
            kept = keep(_target(self._path).read_bytes().decode("utf-8", "surrogateescape"))
            os.ftruncate(file, 0)
            append_text(file, kept)

    def write(self, rows: str) -> None:
        """Adds the text of whole rows: all of it, or none if an exception is raised.

        Raises:
            OutputError: if the file cannot be written, or another process writes it.
        """
        with naming_output(self._path):
            file = self._file
            if file is None:
                file = self._open()
                os.ftruncate(file, 0)
            append_text(file, rows)

    def _open(self) -> int:
        self._file = os.open(_target(self._path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        lock(self._file, self._path)
        return self._file


def lock(file: int | IO[Any], path: str | os.PathLike[str]) -> None:
    """Locks an open file for this process, until it is closed. Does nothing on file systems without locks.

    Raises:
        OutputError: if another process has locked it.
    """
    try:
        portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.AlreadyLocked as error:
        raise OutputError(f"{path}: is being written by another process; choose another output.") from error
    except portalocker.LockException:
        pass


def append_text(descriptor: int, text: str) -> None:
    """Writes text to the end of an open file: all of it, or none if it is a regular file.

    Raises:
        OSError: if it cannot be written.
    """
    rest = text.encode("utf-8", "surrogateescape")
    before = os.fstat(descriptor)
    end = before.st_size
    try:
        while rest:
            written = os.write(descriptor, rest)
            rest, end = rest[written:], end + written
    except BaseException:
        if stat.S_ISREG(before.st_mode) and os.fstat(descriptor).st_size == end:  # no other process writes to it
            os.ftruncate(descriptor, before.st_size)
        raise


@contextlib.contextmanager
def naming_output(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns an OSError into an OutputError with the name of a file."""
    try:
        yield
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space, or choose another output" if is_full else "choose another output"
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}); {remedy}.") from error


def _target(path: str | os.PathLike[str]) -> Path:
    """The file that would be replaced: the target of links."""
    if "\0" in os.fspath(path):
        reason = "is not a file name, since it contains a null character; choose another"
        raise OutputError(f"{os.fspath(path)!r}: {reason}.")
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OutputError(f"{path}: is not a regular file; choose another output.")
    return target


def _partial(target: Path) -> Path:
    return target.with_name(f".{secrets.token_hex(8)}{target.suffix}")  # short, whatever the target's name
