"""The description of a folder of scores: its images, its settings, and its number of shards."""

import hashlib
import importlib.metadata
import math
from collections.abc import Mapping

import msgspec

from pfiq_jax.bulk.stores import Store
from pfiq_jax.errors import OutputError

MANIFEST = "manifest.json"
FORMAT_VERSION = 1
RECORDS_PER_SHARD = 2048  # less than a minute's work, also on two cores with the bundled network
MOST_SHARDS = 16_384
DIGITS = 12  # of a SHA-256 in messages
SHARDS_PER_PROCESS = 8  # at least, so that processes of different speeds end at about the same time


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a folder of scores. Equal ones give the same rows.

    Attributes:
        format_version: format of the folder.
        records: number of images.
        inputs: ``Inputs.fingerprint``.
        method: the quality method.
        weights: SHA-256 of the file of weights.
        options: further settings that the rows depend on, as text.
        versions: versions of the library and of JAX.
        shards: number of files that the rows are divided into.
    """

    format_version: int
    records: int
    inputs: str
    method: str
    weights: str
    options: dict[str, str]
    versions: dict[str, str]
    shards: int

    def digest(self) -> str:
        """A SHA-256 that is saved in every shard."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def shard_of(self, number: int) -> int:
        """The shard of an image, by its place in the input."""
        return ((number + 1) * self.shards - 1) // self.records

    def numbers_in(self, shard: int) -> range:
        """The images of a shard, by their places in the input."""
        return range(*(self.records * each // self.shards for each in (shard, shard + 1)))

    def name_of(self, shard: int, kind: str = "scores", suffix: str = ".parquet") -> str:
        """The file of a shard, such as scores-00017-of-02048.parquet."""
        return f"{kind}-{shard:05}-of-{self.shards:05}{suffix}"


def new_manifest(
    inputs: str, records: int, *, method: str, weights: str, options: Mapping[str, str], processes: int
) -> Manifest:
    """The manifest of a new run.

    Args:
        inputs: ``Inputs.fingerprint``.
        records: number of images.
        method: the quality method.
        weights: SHA-256 of the file of weights.
        options: further settings that the rows depend on.
        processes: number of processes that share the work.
    """
    wanted = max(math.ceil(records / RECORDS_PER_SHARD), SHARDS_PER_PROCESS * processes if processes > 1 else 1)
    versions = {name: importlib.metadata.version(name) for name in ("pfiq-jax", "jax")}
    shards = max(1, min(wanted, MOST_SHARDS, records))
    return Manifest(FORMAT_VERSION, records, inputs, method, weights, dict(options), versions, shards)


def read_manifest(store: Store) -> Manifest | None:
    """The manifest in a folder of scores; None if there is none.

    Raises:
        OutputError: for a file that is not a manifest, or that another version wrote.
    """
    content = store.read(MANIFEST)
    if not content:
        return None
    try:
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise OutputError(
            f"{store.name}/{MANIFEST}: is damaged or from another release; choose another folder."
        ) from error


def agree(store: Store, wanted: Manifest) -> Manifest:
    """The manifest of a folder in which a run begins or continues; it is written if there is none.

    The number of shards is that of the folder, so that a run can continue with another number of processes.

    Raises:
        OutputError: if the folder holds the scores of other images or settings; the message lists the differences.
    """
    if read_manifest(store) is None:
        store.write(MANIFEST, msgspec.json.format(msgspec.json.encode(wanted)))
    found = read_manifest(store)
    assert found is not None  # it was just written
    differing = [
        f"{name} {_shown(before)}, now {_shown(now)}"
        for name, before in msgspec.structs.asdict(found).items()
        if (now := getattr(wanted, name)) != before and name != "shards"
    ]
    if differing:
        raise OutputError(
            f"{store.name}: holds scores of other inputs or settings ({'; '.join(differing)}); choose another folder, "
            "or give --force to replace them."
        )
    return found


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={_shown(each)}" for name, each in value.items())
    text = str(value)
    return text[:DIGITS] if len(text) == 64 else text  # of a SHA-256
