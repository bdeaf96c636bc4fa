"""Folders of weights, and weights in several files with an index, as Hugging Face's libraries save them."""

import json
import re
from pathlib import Path

import numpy as np

from pfiq_jax.errors import PfiqError
from weights_convert.readers import safetensors_file, torch_file
from weights_convert.source import Source

INDEX = ".index.json"
SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5})(\.\w+)")
WEIGHTS = ("model.safetensors", f"model.safetensors{INDEX}", "pytorch_model.bin", f"pytorch_model.bin{INDEX}")


def in_folder(path: Path, suffixes: tuple[str, ...]) -> Path:
    """The weights file of a folder; any other path is returned as it is.

    Raises:
        PfiqError: if the folder has no weights file, or several without the usual name.
    """
    if not path.is_dir():
        return path
    usual = [path / name for name in WEIGHTS if (path / name).is_file()]
    found = usual[:1] or sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes and file.is_file())
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:3]) or "no weights file"
        raise PfiqError(f"{path}: is a folder with {names}{', ...' if len(found) > 3 else ''}; give one weights file.")
    return found[0]


def check_is_whole(path: Path) -> None:
    """Raises a PfiqError for one of several shards, since a single shard lacks most of the network."""
    shard = SHARD.fullmatch(path.name)
    if shard and int(shard[2]) > 1:
        raise PfiqError(
            f"{path}: is one of {int(shard[2])} shards; give {shard[1]}{shard[3]}{INDEX} or the folder of all shards."
        )


def read(path: Path) -> Source:
    """The arrays of all shards that an index names. Shards are read by their suffix.

    Raises:
        PfiqError: if a shard is missing or not in the folder of the index.
        ValueError: if the index or a shard is damaged.
    """
    index = json.loads(path.read_bytes())
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise ValueError("it has no weight_map of file names")
    shards = [_shard(path, name) for name in sorted(set(places.values()))]
    arrays: dict[str, np.ndarray] = {}
    for shard in shards:
        source = safetensors_file.read(shard) if shard.suffix == ".safetensors" else torch_file.read(shard)
        found = source.arrays
        if repeated := arrays.keys() & found.keys():
            raise ValueError(f"two shards have an array {min(repeated)}")
        arrays |= found
    return Source(path, arrays, companions=tuple(shards))


def _shard(index: Path, name: str) -> Path:
    """A shard next to its index. Its link, as in Hugging Face's cache, may lead to the blobs of the same cache only."""
    folder = index.parent.resolve()
    shard = index.with_name(name) if name and name == Path(name).name else index.parent
    if shard.is_file() and shard.resolve().parent in (folder, folder.parent.parent / "blobs"):
        return shard
    raise PfiqError(f"{index}: its shard {name[:60]!r} is not next to it; download the whole folder again.")
