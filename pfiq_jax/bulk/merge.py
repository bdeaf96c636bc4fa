"""One table from the shards of a folder of scores."""

from pathlib import Path

from pfiq_jax.bulk.manifest import MANIFEST, Manifest, read_manifest
from pfiq_jax.bulk.rows import TEXT_FORMATS, Row, arrow_table, records_in, rows_of_parquet
from pfiq_jax.bulk.stores import Store
from pfiq_jax.errors import OutputError, PfiqError
from pfiq_jax.outputs import write_atomically

AGAIN = "remove it, and run the command that scores again"
NAMED = 5  # shards that a message lists


def merge(store: Store, output: Path) -> int:
    """Writes the rows of all shards to one file, in the order of the input.

    Args:
        store: the folder of scores.
        output: a .csv, .jsonl or .parquet file.

    Returns:
        The number of rows.

    Raises:
        PfiqError: for a folder without scores, for shards that are missing, damaged or of another run, and for a shard
            with the wrong number of images.
        OutputError: if the file cannot be written.
    """
    manifest = read_manifest(store)
    if manifest is None:
        raise PfiqError(f"{store.name}: has no {MANIFEST}; give a folder that `pfiq score -o` wrote.")
    there = store.names()
    if missing := [name for name in map(manifest.name_of, range(manifest.shards)) if name not in there]:
        named = ", ".join(missing[:NAMED]) + (f" and {len(missing) - NAMED} more" if len(missing) > NAMED else "")
        raise PfiqError(
            f"{store.name}: lacks {len(missing)} of {manifest.shards} shards ({named}); run the command that scores "
            "again, which adds them."
        )
    return write_atomically(output, lambda partial: _write_all(store, manifest, partial, output.suffix.lower()))


def _write_all(store: Store, manifest: Manifest, partial: Path, suffix: str) -> int:
    """Writes shard after shard; returns the number of rows."""
    count = 0
    shards = (rows_of_shard(store, manifest, shard) for shard in range(manifest.shards))
    if suffix in TEXT_FORMATS:
        as_text = TEXT_FORMATS[suffix]
        with partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            for number, rows in enumerate(shards):
                file.write(as_text(rows, header=not number))
                count += len(rows)
        return count
    from pyarrow import parquet

    metadata = {"settings": manifest.digest()}
    with parquet.ParquetWriter(partial, arrow_table([], metadata).schema, compression="zstd") as writer:
        for rows in shards:
            writer.write_table(arrow_table(rows, metadata))
            count += len(rows)
    return count


def rows_of_shard(store: Store, manifest: Manifest, shard: int) -> list[Row]:
    """The rows of a shard, after a check that they are those of all its images.

    Raises:
        PfiqError: for a shard that is damaged, of another run, or incomplete.
    """
    place = f"{store.name}/{manifest.name_of(shard)}"
    try:
        rows, metadata = rows_of_parquet(store.read(manifest.name_of(shard)))
    except OutputError:
        raise
    except Exception as error:  # for damaged files pyarrow raises exceptions of many classes
        raise PfiqError(f"{place}: is damaged; {AGAIN}.") from error
    if metadata.get("settings") != manifest.digest():
        raise PfiqError(f"{place}: comes from a run with other settings; {AGAIN}.")
    wanted, found = len(manifest.numbers_in(shard)), sum(1 for _ in records_in(rows))
    if found != wanted:
        raise PfiqError(f"{place}: has {found:,} images, not {wanted:,}; {AGAIN}.")
    return rows
