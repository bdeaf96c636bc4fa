"""Folders of scores and tables of scores, with made-up scores."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.bulk import Inputs, ScoreFolder, ScoreTable, merge, new_manifest, resume
from pfiq_jax.bulk.listing import Listing
from pfiq_jax.bulk.manifest import Manifest
from pfiq_jax.bulk.processes import Process
from pfiq_jax.bulk.rows import COLUMNS, csv_rows, json_rows, parquet_bytes, records_in, row_of, rows_of_parquet
from pfiq_jax.bulk.stores import Folder, ObjectStore, Store
from pfiq_jax.errors import OutputError
from pfiq_jax.faces.reading import Found
from pfiq_jax.faces.records import Record
from pfiq_jax.outputs import RowsFile
from pfiq_jax.scoring import Score

pytest.importorskip("pyarrow")
NAMES = [f"{number}.png" for number in range(10)]
NAMES[3] = os.fsdecode(b"\xff, \n3.png")
NAMES[5] = NAMES[4]
INPUTS = Inputs([Listing(NAMES[:4], lambda number: b""), Listing(NAMES[4:], lambda number: b"")])
WEIGHTS = "0123456789abcdef" * 4
ALONE = Process()


def found(face: int) -> Found:
    points = tuple((float(face), float(point)) for point in range(5))
    return Found(face, (1.0, 2.0, 30.0, 40.0 + face), points, 0.75)


def scores_of(record: Record) -> list[Score]:
    """Number 2 has no score, 6 is a photograph with two faces, and all others are crops."""
    if record.number == 2:
        return [Score(record, error=f"{record}: is empty; give an image.")]
    faces = [found(1), found(2)] if record.number == 6 else [None]
    maps = np.full((4, 4), record.number / 16, np.float32)
    return [Score(record, 0.5, record.number + 1 / 3, None, None, face, maps, maps / 2) for face in faces]


def manifest(shards: int = 3) -> Manifest:
    wanted = new_manifest(INPUTS.fingerprint(), len(INPUTS), method="m", weights=WEIGHTS, options={}, processes=1)
    return msgspec.structs.replace(wanted, shards=shards)


def fill(store: Store, process: Process = ALONE, *, stop_after: int = 100, force: bool = False) -> list[int]:
    """Scores what remains; returns the numbers of the records."""
    done: list[int] = []
    with ScoreFolder(store, manifest(), process, force=force) as folder:
        for record in folder.remaining(INPUTS):
            if len(done) == stop_after:
                raise KeyboardInterrupt
            done.append(record.number)
            for score in scores_of(record):
                folder.write([score])
    return done


def all_rows() -> list[tuple]:
    return [row_of(score, "m", WEIGHTS) for record in INPUTS for score in scores_of(record)]


def stores(path: Path) -> Sequence[Store]:
    pytest.importorskip("fsspec")
    return Folder(path / "scores"), ObjectStore(f"memory://{path}/scores")


def contents(store: Store) -> dict[str, bytes]:
    return {name: store.read(name) for name in store.names()}


def test_a_folder_is_filled_and_merged(tmp_path):
    kinds = (("scores", ".parquet"), ("maps", ".npz"))
    names = {f"{kind}-0000{shard}-of-00003{end}" for kind, end in kinds for shard in range(3)}
    for store in stores(tmp_path):
        assert fill(store) == list(range(10))
        assert store.names() == {"manifest.json", *names}
        assert merge(store, tmp_path / "all.csv") == 11
        text = (tmp_path / "all.csv").read_bytes().decode("utf-8", "surrogateescape")
        assert text == csv_rows(all_rows(), header=True)
        assert merge(store, tmp_path / "all.jsonl") == 11
        assert (tmp_path / "all.jsonl").read_text() == json_rows(all_rows(), header=False)
        merge(store, tmp_path / "all.parquet")
        rows, _ = rows_of_parquet((tmp_path / "all.parquet").read_bytes())
        assert [row[0] for row in rows] == [row[0] for row in all_rows()]
        assert [row[2] for row in rows] == [None if row[2] is None else np.float32(row[2]) for row in all_rows()]


def arrays_in(store: Store, name: str) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(store.read(name))) as file:
        return dict(file)


def test_maps_belong_to_rows(tmp_path):
    store = Folder(tmp_path)
    fill(store)
    rows, _ = rows_of_parquet(store.read("scores-00001-of-00003.parquet"))
    arrays = arrays_in(store, "maps-00001-of-00003.npz")
    assert [rows[row][0] for row in arrays["row"]] == NAMES[3:6]
    np.testing.assert_array_equal(arrays["map"][:, 0, 0], np.array([3, 4, 5]) / 16)
    np.testing.assert_array_equal(arrays["deficit"], arrays["map"] / 2)
    first = arrays_in(store, "maps-00000-of-00003.npz")
    assert first["row"].tolist() == [0, 1]  # the third has no score


def test_an_interrupted_run_goes_on_with_the_shards_that_are_missing(tmp_path):
    for stop_after, first in ((2, 0), (3, 0), (4, 3), (9, 6)):
        for store, other in zip(stores(tmp_path / f"a{stop_after}"), stores(tmp_path / f"b{stop_after}"), strict=True):
            with pytest.raises(KeyboardInterrupt):
                fill(store, stop_after=stop_after)
            assert fill(store) == list(range(first, 10))
            assert fill(store) == []
            fill(other)
            assert contents(store) == contents(other)


def test_processes_share_the_shards(tmp_path):
    store = Folder(tmp_path)
    assert fill(store, Process(1, 2)) == [3, 4, 5]
    with pytest.raises(PfiqError, match=r"lacks 2 of 3 shards \(scores-00000-of-00003.parquet, scores-00002-of-00003"):
        merge(store, tmp_path / "all.csv")
    assert not (tmp_path / "all.csv").exists()
    assert fill(store, Process(0, 2)) == [0, 1, 2, 6, 7, 8, 9]
    assert merge(store, tmp_path / "all.csv") == 11


def test_one_process_at_a_time_has_the_same_shards(tmp_path):
    store = Folder(tmp_path)
    with ScoreFolder(store, manifest(), ALONE, force=False):
        with pytest.raises(OutputError, match="is being written by another process; choose another output"):
            ScoreFolder(Folder(tmp_path), manifest(), ALONE, force=True)
        with ScoreFolder(Folder(tmp_path), manifest(), Process(1, 2), force=False):
            pass
    assert fill(store) == list(range(10))


def test_force_replaces_what_a_folder_holds(tmp_path):
    store = Folder(tmp_path)
    fill(store)
    store.write("notes.txt", b"mine")
    store.write("manifest.json", store.read("manifest.json").replace(b'"m"', b'"other"'))
    with pytest.raises(OutputError, match="method other, now m"):
        fill(store)
    assert fill(store, force=True) == list(range(10))
    assert store.read("notes.txt") == b"mine"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda: b"PAR1", "is damaged; remove it, and run the command that scores again"),
        (lambda: parquet_bytes(all_rows()[:2], {}), "comes from a run with other settings"),
        (lambda: parquet_bytes(all_rows()[:2], {"settings": manifest().digest()}), "has 2 images, not 3; remove it"),
    ],
)
def test_a_shard_that_does_not_fit_is_not_merged(tmp_path, content, reason):
    store = Folder(tmp_path)
    fill(store)
    store.write("scores-00001-of-00003.parquet", content())
    with pytest.raises(PfiqError, match=rf"scores-00001-of-00003.parquet: {reason}"):
        merge(store, tmp_path / "all.parquet")
    assert not (tmp_path / "all.parquet").exists()


def test_rows_of_an_image_stand_together():
    assert [len(group) for group in records_in(all_rows())] == [1, 1, 1, 1, 1, 1, 2, 1, 1, 1]


def table_of(path: Path, *, stop_after: int = 100) -> list[int]:
    done: list[int] = []
    with RowsFile(path) as file:
        first = resume(file, path, INPUTS, "m", WEIGHTS) if path.exists() else 0
        table = ScoreTable(file.write, path.suffix, "m", WEIGHTS, first)
        for record in table.remaining(INPUTS):
            if len(done) == stop_after:
                break
            done.append(record.number)
            table.write(scores_of(record))
    return done


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("cut", [0, 1, 30])
def test_a_table_goes_on_after_its_last_whole_image(tmp_path, suffix, cut):
    whole, path = tmp_path / f"whole{suffix}", tmp_path / f"a{suffix}"
    table_of(whole)
    for stop_after in (1, 4, 7, 10):
        path.unlink(missing_ok=True)
        table_of(path, stop_after=stop_after)
        os.truncate(path, path.stat().st_size - cut)
        again = table_of(path)
        assert max(0, stop_after - 2) <= again[0] < stop_after
        assert again == list(range(again[0], 10))
        assert path.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_table_of_other_scores_is_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    table_of(path)
    before = path.read_bytes()
    other = Inputs([Listing(["x.png"], lambda number: b"")])
    for inputs, method, weights, message in (
        (other, "m", WEIGHTS, "image 1 has the path 0.png, but this run has x.png; name another output"),
        (INPUTS, "n", WEIGHTS, "image 1 has the method m, but this run has n"),
        (INPUTS, "m", "f" * 64, "image 1 has the weights sha256:0123456789ab, but this run has sha256:ffffffffffff"),
    ):
        with RowsFile(path) as file, pytest.raises(OutputError, match=message):
            resume(file, path, inputs, method, weights)
        assert path.read_bytes() == before
    path.write_text("path,quality\na.png,1\n" if suffix == ".csv" else '{"path": "a.png"}\n')
    with RowsFile(path) as file, pytest.raises(OutputError, match="has other columns than this release writes; name"):
        resume(file, path, INPUTS, "m", WEIGHTS)


def test_columns():
    assert COLUMNS[:6] == ("path", "quality", "raw_quality", "status", "error", "warning")
    assert COLUMNS[-2:] == ("method", "weights")


def test_what_a_killed_process_was_writing_leaves_no_trace(tmp_path):
    store = Folder(tmp_path)
    (tmp_path / ".scores-00001-of-00003.parquet").write_bytes(b"half")
    (tmp_path / ".process-0-of-1").touch()
    fill(store)
    assert not [name for name in store.names() if name.startswith(".")]
