import msgspec
import pytest

from pfiq_jax.bulk.manifest import MOST_SHARDS, Manifest, agree, new_manifest, read_manifest
from pfiq_jax.bulk.processes import Process, this_process
from pfiq_jax.bulk.stores import Folder
from pfiq_jax.errors import OutputError, PfiqError


def manifest(records: int = 10, processes: int = 1, **changes) -> Manifest:
    settings = {"method": "relative_norm", "weights": "a" * 64, "options": {"detect": "auto"}, **changes}
    return new_manifest("b" * 64, records, processes=processes, **settings)


@pytest.mark.parametrize(("records", "shards"), [(1, 1), (7, 3), (10, 10), (2049, 2), (1000, 7)])
def test_every_image_is_in_one_shard(records, shards):
    found = msgspec.structs.replace(manifest(records), shards=shards)
    ranges = [found.numbers_in(shard) for shard in range(shards)]
    assert [number for numbers in ranges for number in numbers] == list(range(records))
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1
    for shard, numbers in enumerate(ranges):
        assert {found.shard_of(number) for number in numbers} == {shard}


@pytest.mark.parametrize(
    ("records", "processes", "shards"),
    [(1, 1, 1), (2048, 1, 1), (2049, 1, 2), (3, 2, 3), (100, 2, 16), (10**6, 2, 489), (10**9, 64, MOST_SHARDS)],
)
def test_shards_are_many_enough_for_the_processes_and_not_too_many(records, processes, shards):
    assert manifest(records, processes).shards == shards


def test_a_folder_goes_on_with_the_same_settings_and_refuses_others(tmp_path):
    store = Folder(tmp_path / "scores")
    assert read_manifest(store) is None
    first = agree(store, manifest())
    assert agree(store, manifest(processes=8)) == first  # with its own number of shards
    for changes, named in (
        ({"method": "ser_fiq"}, "method relative_norm, now ser_fiq"),
        ({"weights": "c" * 64}, "weights aaaaaaaaaaaa, now cccccccccccc"),
        ({"options": {"detect": "none"}}, "options detect=auto, now detect=none"),
        ({"records": 11}, "records 10, now 11"),
    ):
        with pytest.raises(
            OutputError, match=rf"scores of other inputs or settings \({named}\); choose another folder"
        ):
            agree(store, manifest(**changes))
    assert read_manifest(store) == first
    store.write("manifest.json", b"{}")
    with pytest.raises(OutputError, match=r"scores/manifest.json: is damaged or from another release; choose another"):
        read_manifest(store)


@pytest.mark.parametrize(
    ("index", "count", "environment", "wanted"),
    [
        (None, None, {}, Process()),
        (1, 4, {"SLURM_PROCID": "3", "SLURM_NTASKS": "9"}, Process(1, 4, "--process-index")),
        (None, 1, {}, Process()),
        (None, None, {"SLURM_PROCID": "3", "SLURM_NTASKS": "9"}, Process(3, 9, "SLURM_PROCID")),
        (None, None, {"TPU_WORKER_ID": "1", "TPU_WORKER_HOSTNAMES": "a,b"}, Process(1, 2, "TPU_WORKER_ID")),
        (None, 5, {"JOB_COMPLETION_INDEX": "4"}, Process(4, 5, "JOB_COMPLETION_INDEX")),
    ],
)
def test_which_process_this_is(index, count, environment, wanted):
    assert this_process(index, count, environment) == wanted


@pytest.mark.parametrize(
    ("index", "count", "environment", "message"),
    [
        (1, None, {}, r"--process-index: is 1, but the number of processes is not known; give --process-count\."),
        (None, 2, {}, r"--process-count: is 2, but the index of this process is not known; give --process-index\."),
        (2, 2, {}, r"--process-index: is 2, but there are 2 processes; count from 0 to 1\."),
        (None, None, {"JOB_COMPLETION_INDEX": "0"}, r"JOB_COMPLETION_INDEX: is 0, but the number of processes is not"),
        (None, 3, {"TPU_WORKER_ID": "5"}, r"TPU_WORKER_ID: is 5, but there are 3 processes; count from 0 to 2\."),
    ],
)
def test_a_process_that_is_not_known(index, count, environment, message):
    with pytest.raises(PfiqError, match=message):
        this_process(index, count, environment)


def test_shards_belong_to_processes_in_turn():
    process = Process(1, 3)
    assert [shard for shard in range(8) if process.has(shard)] == [1, 4, 7]
