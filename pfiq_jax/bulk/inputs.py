"""From the arguments of a command to images: files, folders, patterns, lists, archives and addresses."""

import glob
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pfiq_jax.bulk.archives import (
    ARRAY_RECORD_SUFFIXES,
    COMPRESSED_SUFFIXES,
    TAR_SUFFIXES,
    array_records,
    tar_members,
)
from pfiq_jax.bulk.listing import Inputs, Listing
from pfiq_jax.bulk.lists import TABLE_SUFFIXES, TEXT_SUFFIXES, Lines, named_files, table_list
from pfiq_jax.bulk.stores import filesystem_of, is_address, reason_of
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.folders import SUFFIXES, expand_paths

STDIN = "-"
OPENED_SUFFIXES = (*TEXT_SUFFIXES, *TABLE_SUFFIXES, *TAR_SUFFIXES, *ARRAY_RECORD_SUFFIXES, *COMPRESSED_SUFFIXES)


def read_inputs(arguments: Sequence[str]) -> Inputs:
    """All images that the arguments of a command contain, in this order.

    An argument is a file, a folder or a pattern, as ``expand_paths`` takes them; a list of names (.txt, .lst, or - for
    stdin) or a table of them (.csv, .tsv, .parquet); an archive (.tar, .array_record); or an address that fsspec
    supports, such as gs://bucket/faces or ``s3://bucket/faces/*.jpg``, of any of these.

    Raises:
        PfiqError: for a list or an archive that cannot be read, and if there are no images.
    """
    inputs = Inputs([listing for argument in _groups(arguments) for listing in _listings(argument)])
    if not inputs:
        raise PfiqError(f"{', '.join(arguments)[:200]}: has no images; give images, folders, lists or archives.")
    return inputs


def _groups(arguments: Sequence[str]) -> Iterator[list[str]]:
    """Neighbouring arguments that are files, folders or patterns as one list, every other argument as a list of one."""
    for is_local, group in itertools.groupby(arguments, lambda each: each != STDIN and not is_address(each)):
        together = list(group)
        yield from [together] if is_local else [[each] for each in together]


def _listings(arguments: list[str]) -> Iterator[Listing]:
    if arguments == [STDIN]:
        yield named_files(Lines(sys.stdin.buffer.read()), None)
    elif is_address(arguments[0]):
        yield _at_address(arguments[0])
    else:
        for opens, paths in itertools.groupby(expand_paths(arguments), _is_opened):
            if opens:
                yield from (_opened(str(path), path) for path in paths)
            else:
                yield named_files([str(path) for path in paths], None)


def _is_opened(path: Path) -> bool:
    """Whether a file, by its suffix, is a list or an archive of images."""
    return _ends(str(path), OPENED_SUFFIXES)


def _ends(name: str, suffixes: Sequence[str]) -> bool:
    return name.lower().endswith(tuple(suffixes))


def _opened(name: str, path: Path) -> Listing:
    """A list or an archive.

    Args:
        name: a file or an address.
        path: the file, or a copy of what is at the address.
    """
    if _ends(name, COMPRESSED_SUFFIXES):
        raise PfiqError(f"{name}: is compressed, so its images cannot be read in any order; unpack it, or give a .tar.")
    if _ends(name, TAR_SUFFIXES):
        return tar_members(name)
    if _ends(name, ARRAY_RECORD_SUFFIXES):
        return array_records(path)
    if _ends(name, TABLE_SUFFIXES):
        return table_list(path)
    try:
        return named_files(Lines(path.read_bytes()), path.parent)
    except OSError as error:
        raise PfiqError(f"{name}: cannot be read ({error.strerror or error}); give a list of images.") from error


def _at_address(address: str) -> Listing:
    """What is at an address: an image, a list, an archive, or the images below it."""
    filesystem, path = filesystem_of(address)

    def named(paths: Sequence[str]) -> Listing:
        return named_files([filesystem.unstrip_protocol(each) for each in paths], None)

    try:
        if glob.has_magic(path) and not filesystem.exists(path):
            return named(sorted(filesystem.glob(path)))
        if _is_opened(Path(path)):
            if _ends(path, TAR_SUFFIXES):
                return tar_members(address)
            import fsspec

            copy = fsspec.open_local(f"simplecache::{address}")
            return _opened(address, Path(copy))
        if filesystem.isdir(path):
            return named([each for each in sorted(filesystem.find(path)) if _ends(each, tuple(SUFFIXES))])
    except PfiqError:
        raise
    except Exception as error:  # of any class, from the package for this kind of address
        raise PfiqError(f"{address}: cannot be read ({reason_of(error)}); check the address.") from error
    return named_files([address], None)
