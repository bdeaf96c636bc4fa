"""The one writer of files: a file is there in whole, or as it was before."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pfiq_jax.errors import PfiqError


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], Any]) -> None:
    """Writes a file next to its target, which it then replaces in one step.

    A new file gets the permissions that the umask leaves, an existing one keeps its own. Symbolic links are followed:
    their target is replaced.

    Args:
        path: the target.
        write: writes the content to the path that it is given, which has the suffix of the target and exists already.

    Raises:
        PfiqError: if the target exists and is not a regular file, or if ``write`` or the file system raises an
            OSError. The target is then what it was before.
    """
    if "\0" in os.fspath(path):
        raise PfiqError(f"{os.fspath(path)!r}: is not a file name, since it contains a null character; choose another.")
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            raise PfiqError(f"{path}: is not a regular file; choose another output.")
        partial = target.with_name(f".{secrets.token_hex(8)}{target.suffix}")  # short, whatever the target's name
        try:
            partial.touch(exist_ok=False)
            mode = (target if target.exists() else partial).stat().st_mode
            write(partial)
            partial.chmod(mode & 0o777)  # some writers replace the file by a private one
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise PfiqError(f"{path}: cannot be written ({error.strerror or error}); choose another output.") from error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file in UTF-8, atomically; file names that are not text keep their bytes.

    Raises:
        PfiqError: as ``write_atomically``.
    """
    write_atomically(path, lambda partial: partial.write_text(text, "utf-8", "surrogateescape", newline=""))
