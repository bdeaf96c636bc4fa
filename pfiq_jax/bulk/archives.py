"""Images in archives: tar files in the layout of WebDataset, and ArrayRecord files."""

import contextlib
import functools
import io
import os
import tarfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pfiq_jax.bulk.listing import Listing
from pfiq_jax.bulk.stores import is_address, opener
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces import limits
from pfiq_jax.faces.folders import SUFFIXES

TAR_SUFFIXES = (".tar",)
COMPRESSED_SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip")
ARRAY_RECORD_SUFFIXES = (".array_record", ".arrayrecord")


class Member(NamedTuple):
    """The position of an image in an archive: its first byte, and its number of bytes."""

    offset: int
    size: int


def tar_members(archive: str) -> Listing:
    """The files in a tar file that have the suffix of an image. Their names begin with that of the archive.

    Only the headers are read now. Images are read directly from their positions, in any order.

    Args:
        archive: a file or an address, not compressed.

    Raises:
        PfiqError: for a file that cannot be read, is compressed or damaged, or has no images.
    """
    names: list[str] = []
    members: list[Member] = []
    try:
        with _opened(archive) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                while member := tar.next():
                    if member.isreg() and os.path.splitext(member.name)[1].lower() in SUFFIXES:
                        names.append(f"{archive}/{member.name}")
                        members.append(Member(member.offset_data, member.size))
                    tar.members = []  # type: ignore[attr-defined]  # otherwise it would keep all headers
    except PfiqError:
        raise
    except Exception as error:  # for damaged archives tarfile raises exceptions of several classes
        if isinstance(error, OSError) and error.errno:
            raise PfiqError(f"{archive}: cannot be read ({error.strerror or error}); give a tar file.") from error
        raise PfiqError(f"{archive}: is damaged or not an uncompressed tar file; create it again.") from error
    if not names:
        raise PfiqError(f"{archive}: contains no images; give a tar file of images, as in WebDataset.")
    if members[-1].offset + members[-1].size > size:
        raise PfiqError(f"{archive}: is truncated, its last image ends after {size:,} bytes; copy it again.")

    def content(number: int) -> Callable[[], AbstractContextManager[BinaryIO]]:
        return functools.partial(_open_member, archive, members[number], size)

    return Listing(names, content, described=b"%d" % size)


def _opened(archive: str) -> AbstractContextManager[BinaryIO]:
    return opener(archive)() if is_address(archive) else open(archive, "rb")


@contextlib.contextmanager
def _open_member(archive: str, member: Member, size: int) -> Any:
    with _opened(archive) as file:
        if file.seek(0, os.SEEK_END) != size:
            raise PfiqError("its archive has changed since the run began; score it again.")
        file.seek(member.offset)
        yield io.BytesIO(file.read(min(member.size, limits.MAX_BYTES + 1)))


def array_records(archive: Path) -> Listing:
    """The records of an ArrayRecord file, each the bytes of an image file, named archive[0], archive[1], ...

    Raises:
        PfiqError: for a file that cannot be read, and if Grain is not installed.
    """
    try:
        from grain.sources import ArrayRecordDataSource
    except ImportError as error:
        raise PfiqError(
            f"{archive}: ArrayRecord files need grain; install it with `pip install 'pfiq-jax[grain]'`."
        ) from error
    try:
        records = ArrayRecordDataSource(str(archive))
        count = len(records)
    except Exception as error:  # of any class, from C++
        raise PfiqError(f"{archive}: is damaged or not an ArrayRecord file; create it again.") from error
    names = [f"{archive}[{number}]" for number in range(count)]
    return Listing(names, lambda number: lambda: io.BytesIO(records[number]))
