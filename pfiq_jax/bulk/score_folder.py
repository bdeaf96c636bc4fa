"""Scores in a folder of shards, which several processes can share and which can be resumed."""

import contextlib
from collections.abc import Sequence
from types import TracebackType

from pfiq_jax.bulk.listing import Inputs
from pfiq_jax.bulk.manifest import MANIFEST, Manifest, agree
from pfiq_jax.bulk.maps import maps_bytes
from pfiq_jax.bulk.processes import Process
from pfiq_jax.bulk.remaining import Remaining
from pfiq_jax.bulk.rows import parquet_bytes, row_of
from pfiq_jax.bulk.stores import Store
from pfiq_jax.faces.records import Record
from pfiq_jax.scoring import Score


class ScoreFolder:
    """A folder of scores that a process adds its shards to. A context manager.

    A shard is written in one step when all its images are scored, and never written again. An interrupted run resumes
    with the missing shards.

    Args:
        store: the store to write to.
        wanted: the settings of this run.
        process: this process, which scores its share of the shards.
        force: whether to remove the files of earlier runs or other settings.

    Raises:
        OutputError: if the folder holds scores of other settings, or another process writes these shards.
    """

    def __init__(self, store: Store, wanted: Manifest, process: Process, *, force: bool) -> None:
        self.store, self.process = store, process
        self._claim = contextlib.ExitStack()
        self._claim.enter_context(store.claim(f".process-{process.index}-of-{process.count}"))
        if force:
            self.remove()
        self.manifest = agree(store, wanted)
        self._pending: list[Score] = []

    def __enter__(self) -> "ScoreFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._claim:
            if kind is None:
                self._finish_shard()

    def missing(self) -> list[int]:
        """The missing shards of all processes."""
        there = self.store.names()
        return [shard for shard in range(self.manifest.shards) if self.manifest.name_of(shard) not in there]

    def remaining(self, inputs: Inputs) -> Remaining:
        """The records that this process has to score."""
        mine = [shard for shard in self.missing() if self.process.has(shard)]
        return Remaining(inputs, [self.manifest.numbers_in(shard) for shard in mine])

    def together(self, record: Record) -> int:
        """The value that is equal for all records of a batch: the shard."""
        return self.manifest.shard_of(record.number)

    def write(self, scores: Sequence[Score]) -> None:
        """Takes scores, in order, and writes the shards that are complete.

        Raises:
            OutputError: if a shard cannot be written.
        """
        for score in scores:
            if self._pending and self._shard(score) != self._shard(self._pending[0]):
                self._finish_shard()
            self._pending.append(score)

    def remove(self) -> None:
        """Removes the manifest and all shards."""
        for name in sorted(self.store.names()):
            if name == MANIFEST or (name.startswith(("scores-", "maps-")) and name.endswith((".parquet", ".npz"))):
                self.store.remove(name)

    def _shard(self, score: Score) -> int:
        assert isinstance(score.path, Record)
        return self.together(score.path)

    def _finish_shard(self) -> None:
        if not self._pending:
            return
        shard, manifest = self._shard(self._pending[0]), self.manifest
        rows = [row_of(score, manifest.method, manifest.weights) for score in self._pending]
        if any(score.map is not None for score in self._pending):
            self.store.write(manifest.name_of(shard, "maps", ".npz"), maps_bytes(self._pending))
        self.store.write(manifest.name_of(shard), parquet_bytes(rows, {"settings": manifest.digest()}))
        self._pending = []
