"""Files, folders and patterns as a list of image files."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jp2", ".avif")
)


def expand_paths(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Expands files, folders and patterns to a list of files, each once, in the order given.

    A folder is replaced by the images in it and below it, recognised by their suffixes and sorted, without hidden
    files. A pattern is a path with ``*``, ``?`` or ``[`` that is not itself a file; some shells leave patterns to the
    program. All other paths stay as they are, whether or not the file exists, as do patterns and folders in which
    nothing is found and folders that may not be read. For each such path ``read_image`` raises the reason.
    """
    found: dict[str, Path] = {}
    for path in [os.fspath(path) for path in paths]:
        is_pattern = glob.has_magic(path) and not os.path.exists(path)
        for match in (is_pattern and sorted(glob.glob(path, recursive=True))) or [path]:
            for file in (os.path.isdir(match) and list(images_below(match))) or [match]:
                found.setdefault(os.path.abspath(file), Path(file))
    return list(found.values())


def images_below(folder: str) -> Iterator[str]:
    """The images, then the folders that may not be read."""
    unreadable: list[str] = []
    for place, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(error.filename)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield os.path.join(place, name)
    yield from unreadable
