"""Files, folders and patterns as a list of image files."""

import functools
import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pfiq_jax.faces.decoding import is_image

# fmt: off
SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".tif", ".tiff", ".gif",
    ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".avif", ".avifs",
))
# fmt: on
"""Suffixes of files that are assumed to be images. Other files in a folder are images if their content is one."""

# fmt: off
UNREAD_SUFFIXES = frozenset((
    ".heic", ".heif", ".hif", ".jxl", ".jxr", ".psd", ".xcf", ".tga", ".dds", ".exr", ".hdr", ".svg", ".eps",
    ".ai", ".ico", ".icns", ".pcx", ".sgi", ".fits", ".dcm", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".nrw",
    ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw",
))
# fmt: on
"""Suffixes of images in formats that are not read."""


def expand_paths(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Expands files, folders and patterns to a list of files, each once, in the order given.

    A folder is replaced by the images in it and its subfolders, sorted, without hidden files. Images are files with one
    of ``SUFFIXES``, and other files whose content is an image. Links to folders are followed, each real folder once,
    after all folders that are not links. A pattern is a path with ``*``, ``?`` or ``[`` that is not itself a file; some
    shells do not expand patterns. All other paths are kept, whether or not the file exists. Patterns and folders
    without images and folders that cannot be read are kept too. For each such path ``read_image`` raises the reason.
    """
    real_folder = functools.cache(os.path.realpath)
    found: dict[tuple[str, str], Path] = {}
    for match in _matches(paths):
        for file in (os.path.isdir(match) and list(images_below(match))) or [match]:
            folder, name = os.path.split(os.path.abspath(file))
            found.setdefault((real_folder(folder), name), Path(file))
    return list(found.values())


def left_out(paths: Iterable[str | os.PathLike[str]]) -> Counter[str]:
    """The number of images, by suffix, that ``expand_paths`` omits from folders because their formats are not read."""
    files = (file for match in _matches(paths) if os.path.isdir(match) for file, _ in _files_below(match))
    return Counter(suffix for file in files if (suffix := _suffix(file)) in UNREAD_SUFFIXES)


def list_of(suffixes: Counter[str]) -> str:
    """Numbers of files as text: ``3 .heic, 1 .psd``."""
    return ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common())


def images_below(folder: str) -> Iterator[str]:
    """The images in a folder and its subfolders, then the folders that cannot be read."""
    for path, is_folder in _files_below(folder):
        if is_folder or _suffix(path) in SUFFIXES or (_suffix(path) not in UNREAD_SUFFIXES and is_image(path)):
            yield path


def _matches(paths: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    for path in [os.fspath(path) for path in paths]:
        is_pattern = glob.has_magic(path) and not os.path.exists(path)
        yield from (is_pattern and sorted(glob.glob(path, recursive=True))) or [path]


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _files_below(folder: str) -> Iterator[tuple[str, bool]]:
    """The files that are not hidden, then the folders that cannot be read; each with whether it is such a folder."""
    unreadable: list[str] = []
    seen: set[str] = set()
    links = [folder]
    while links:
        start, links = links[0], links[1:]
        for place, folders, files in os.walk(start, onerror=lambda error: unreadable.append(error.filename)):
            real = os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            links += [path for name in folders if os.path.islink(path := os.path.join(place, name))]
            yield from ((os.path.join(place, name), False) for name in sorted(files) if not name.startswith("."))
    yield from ((path, True) for path in unreadable)
