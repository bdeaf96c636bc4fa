"""What was measured when, on which device and commit: one entry per result file, in ``manifest.json``."""

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from pfiq_jax.outputs import write_text

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
MADE = ROOT / "build" / "evidence"
NAME = "manifest.json"
CODE = ("pfiq_jax", "weights_convert", "benchmarks/*.py", "benchmarks/accelerator")
"""What a measurement depends on; results and documents are left out, so that storing them makes nothing stale."""

VERSIONS = ("jax", "jaxlib", "flax", "numpy")

Entry = Mapping[str, Any]


def read_manifest(folder: Path) -> dict[str, Entry]:
    path = folder / NAME
    return json.loads(path.read_text()) if path.exists() else {}


def note(folder: Path, names: Iterable[str], entry: Entry) -> None:
    """Replaces the entries of some files."""
    entries = read_manifest(folder) | {name: dict(entry) for name in names}
    write_text(folder / NAME, json.dumps(dict(sorted(entries.items())), indent=2) + "\n")


class Code(NamedTuple):
    """What the code is.

    Attributes:
        commit: the last one that changed it.
        content: a short digest, which stays the same where a branch is moved.
    """

    commit: str
    content: str


def code() -> Code:
    """The code that is checked out; an error if it differs from the commit."""
    if changed := _git("status", "--porcelain", "--", *CODE):
        raise click.ClickException(
            f"the code has changes that are not committed; commit them, so that the manifest can name the code that "
            f"was measured:\n{changed}"
        )
    content = hashlib.sha256(_git("ls-files", "--stage", "--", *CODE).encode()).hexdigest()[:16]
    return Code(_git("log", "-1", "--format=%H", "--", *CODE), content)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def digest(paths: Iterable[Path]) -> str:
    """The names and sizes of some files, and of all files in some folders, as one short text."""
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found.update(f"{file.relative_to(path.parent)} {file.stat().st_size}\n".encode())
    return found.hexdigest()[:16]


def device() -> str:
    """The kind of the default device, as JAX names it.

    A process of its own finds it, since JAX takes most of a GPU's memory.
    """
    program = "import jax; print(jax.devices()[0].device_kind)"
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """The names by which packages are installed, of each module."""
    return importlib.metadata.packages_distributions()


def surroundings(device: str, packages: Iterable[str]) -> Entry:
    """When and where a run has just ended, and the versions of the packages that count.

    Args:
        device: the kind of the device.
        packages: modules, in addition to those of ``VERSIONS``.
    """
    names = [*VERSIONS, *(_distributions()[package][0] for package in packages)]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": f"{device}; {platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names},
    }
