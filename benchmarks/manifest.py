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
from typing import Any

from benchmarks.source import ROOT
from pfiq_jax.outputs import write_text

RESULTS = ROOT / "benchmarks" / "results"
MADE = ROOT / "build" / "evidence"
NAME = "manifest.json"
VERSIONS = ("jax", "jaxlib", "flax", "numpy")

Entry = Mapping[str, Any]


def read_manifest(folder: Path) -> dict[str, Entry]:
    path = folder / NAME
    return json.loads(path.read_text()) if path.exists() else {}


def note(folder: Path, names: Iterable[str], entry: Entry) -> None:
    """Replaces the entries of some files."""
    entries = read_manifest(folder) | {name: dict(entry) for name in names}
    write_text(folder / NAME, json.dumps(dict(sorted(entries.items())), indent=2) + "\n")


def digest_of_sizes(paths: Iterable[Path]) -> str:
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
