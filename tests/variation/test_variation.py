import os
import pickle
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfiq_jax import PfiqError
from pfiq_jax.variation import load_variation, merge, summarize
from pfiq_jax.variation.variation import BINS, MOST_FACES, ONE, STATISTICS

LEVEL = 0.5 / ONE  # to which activations are rounded
HALF_BIN = 0.5 / BINS

maps_of_any_kind = st.integers(0, 2**32 - 1).map(lambda seed: random_maps(seed, 1 + seed % 7, (2, 3)))


def random_maps(seed, count, shape=(5, 4)):
    """Activations with many zeros, many ones and some equal values, as on real faces."""
    generator = np.random.default_rng(seed)
    maps = generator.normal(generator.random(shape), 0.3, (count, *shape)).clip(0, 1)
    return np.where(generator.random(maps.shape) < 0.2, np.float64(0.3), maps).astype(np.float32)


def same(one, other):
    """Whether all statistics, not only those that go into them, are the same to the bit."""
    names = STATISTICS if one.count > 1 else ("mean", "median")
    return (
        (one.count, one.metadata) == (other.count, other.metadata)
        and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("sums", "histogram"))
        and all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in names)
    )


@pytest.mark.parametrize("count", [2, 3, 50, 51])
def test_torch_says_the_same(torch, count):
    maps = random_maps(count, count)
    data = torch.from_numpy(maps).double()
    found = summarize([maps])
    median = data.median(0).values
    spread = ((data - median) ** 2).std(0)
    std = data.std(0).numpy()
    np.testing.assert_allclose(found.mean, data.mean(0).numpy(), atol=LEVEL)
    np.testing.assert_allclose(found.std, std, atol=2 * LEVEL)
    np.testing.assert_allclose(found.median, median.numpy(), atol=HALF_BIN + LEVEL)
    assert (np.abs(found.squared_deviation_spread - spread.numpy()) <= 2 * HALF_BIN * std + 8 * LEVEL).all()


@pytest.mark.parametrize("count", [2, 3, 10])
def test_faces_that_are_alike_do_not_vary(count):
    found = summarize([np.broadcast_to(random_maps(0, 1), (count, 5, 4))])
    assert not found.std.any()
    assert not found.squared_deviation_spread.any()


def test_by_hand():
    found = summarize([np.array([0, 0.5, 1, 1], np.float32).reshape(4, 1, 1)])
    assert (found.count, found.shape) == (4, (1, 1))
    assert found.mean.item() == 0.625
    assert found.median.item() == 0.5  # the lower one of 0.5 and 1
    assert found.std.item() == pytest.approx((0.6875 / 3) ** 0.5, rel=1e-15)
    assert found.squared_deviation_spread.item() == pytest.approx(0.125, rel=1e-15)  # of 1/4, 0, 1/4, 1/4


@pytest.mark.parametrize("batch_size", [1, 7, 64, 150])
def test_batches_do_not_matter(batch_size):
    maps = random_maps(0, 150)
    batches = (maps[start : start + batch_size] for start in range(0, len(maps), batch_size))
    assert same(summarize(batches), summarize([maps]))


def test_order_and_kind_of_array_do_not_matter():
    maps = random_maps(0, 90)
    for others in (maps[::-1], np.random.default_rng(1).permutation(maps), jnp.asarray(maps), maps.astype(np.float64)):
        assert same(summarize([others]), summarize([maps]))


PROGRAM = """
import sys
import numpy as np
from pfiq_jax.variation.variation import summarize
source, part, target = sys.argv[1:]
maps = np.load(source, mmap_mode="r")[int(part)::2]
summarize((maps[start : start + 9] for start in range(0, len(maps), 9)), metadata={"method": "any"}).save(target)
"""


def test_processes_do_not_matter(tmp_path):
    maps = random_maps(0, 101, (16, 16))
    np.save(tmp_path / "maps.npy", maps)
    parts = [tmp_path / "even.npz", tmp_path / "odd.npz"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path / "maps.npy", str(part), path], env=environment)
        for part, path in enumerate(parts)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    whole = summarize([maps], metadata={"method": "any"})
    merged = merge(map(load_variation, parts))
    assert same(merged, whole)
    for variation, name in ((merged, "merged.npz"), (whole, "whole.npz")):
        variation.save(tmp_path / name)
    assert (tmp_path / "merged.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


@settings(deadline=None, max_examples=30)
@given(maps_of_any_kind, maps_of_any_kind, maps_of_any_kind)
def test_merging_is_summarizing_in_any_grouping(a, b, c):
    one, two, three = (summarize([maps]) for maps in (a, b, c))
    whole = summarize([np.concatenate([a, b, c])])
    for found in (
        merge([one, two, three]),
        merge([merge([one, two]), three]),
        merge([one, merge([two, three])]),
        merge([three, one, two]),
    ):
        assert same(found, whole)


def test_a_process_without_faces_adds_nothing():
    some = summarize([random_maps(0, 5)])
    nothing = summarize([np.zeros((0, 5, 4), np.float32)])
    assert nothing.count == 0
    assert same(merge([nothing, some]), some)


def test_memory_does_not_grow_with_the_faces():
    few, many = (summarize(random_maps(seed, 10) for seed in range(batches)) for batches in (1, 40))
    assert (few.count, many.count) == (10, 400)
    assert few.nbytes == many.nbytes == 20 * (7 * 8 + (BINS + 1) * 4)


def test_sums_have_room_for_all_faces():
    variation = summarize([np.ones((1, 1, 1), np.float32)])
    for _ in range(22):
        variation = merge([variation, variation])
    assert variation.count == MOST_FACES
    assert (variation.mean, variation.median) == (1, 1)
    assert (variation.std, variation.squared_deviation_spread) == (0, 0)
    with pytest.raises(PfiqError, match="give fewer faces"):
        merge([variation, summarize([np.ones((1, 1, 1), np.float32)])])


def test_cannot_be_changed():
    variation = summarize([random_maps(0, 3)])
    with pytest.raises(ValueError, match="read-only"):
        variation.sums[0] += 1
    assert same(pickle.loads(pickle.dumps(variation)), variation)


@pytest.mark.parametrize(
    ("batches", "told"),
    [
        ([], "give one batch or more"),
        ([np.zeros((5, 4))], "give batches of"),
        ([np.zeros((2, 0, 4))], "give batches of"),
        ([np.zeros((2, 5, 4)), np.zeros((2, 4, 5))], "4x5 pixels follow maps of 5x4"),
        ([np.full((2, 5, 4), 1.001)], "outside 0..1"),
        ([np.full((2, 5, 4), -1e-5)], "outside 0..1"),
        ([np.full((2, 5, 4), np.nan)], "NaN"),
        ([np.full((2, 5, 4), np.inf)], "NaN or outside"),
    ],
)
def test_bad_maps_are_refused(batches, told):
    with pytest.raises(PfiqError, match=told):
        summarize(batches)


def test_the_rounding_of_a_division_is_forgiven():
    off = np.array([-1e-7, 1 + 2e-7], np.float32).reshape(1, 1, 2)
    assert same(summarize([off]), summarize([np.array([[[0, 1]]], np.float32)]))


def test_too_few_faces_have_no_statistics():
    nothing, one = (summarize([np.zeros((count, 2, 2), np.float32)]) for count in (0, 1))
    for variation, names in ((nothing, STATISTICS), (one, ("std", "squared_deviation_spread"))):
        for name in names:
            with pytest.raises(PfiqError, match=r"give \d or more"):
                getattr(variation, name)


def test_only_what_was_made_alike_is_merged():
    maps = random_maps(0, 3)
    with pytest.raises(PfiqError, match=r"method a.*method b"):
        merge(summarize([maps], metadata={"method": name}) for name in "ba")
    with pytest.raises(PfiqError, match=r"4x5 pixels.*5x4 pixels"):
        merge([summarize([maps]), summarize([maps.transpose(0, 2, 1)])])
    with pytest.raises(PfiqError, match="give one set or more"):
        merge([])


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "good.npz"
    metadata = {"recognizer": "SFace \N{GREEK SMALL LETTER PI}", "broken": "\udc80", "method": "score_cam"}
    summarize([random_maps(0, 30)], metadata=metadata).save(path)
    return path


def test_saving_and_loading(saved, tmp_path):
    variation = load_variation(saved)
    assert variation.metadata["method"] == "score_cam"
    assert variation.metadata["broken"] == "\udc80"
    assert same(variation, summarize([random_maps(0, 30)], metadata=variation.metadata))
    variation.save(tmp_path / "again")  # under just that name
    assert (tmp_path / "again").read_bytes() == saved.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"good.npz", "again"}


def rewrite(path, **changes):
    with np.load(path) as arrays:
        contents = {**arrays, **changes}
    np.savez_compressed(path, **{name: array for name, array in contents.items() if array is not None})


def write_single_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK not a zip file"),
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: path.write_bytes(path.read_bytes()[:900] + bytes(8) + path.read_bytes()[908:]),
        write_single_array,
        lambda path: rewrite(path, header=None),
        lambda path: rewrite(path, histogram=None),
        lambda path: rewrite(path, header=np.array("{}")),
        lambda path: rewrite(path, header=np.array("[" * 100_000)),
        lambda path: rewrite(path, header=np.array('{"format_version": 2}')),
        lambda path: rewrite(path, header=np.array('{"format_version": 1, "count": 29, "metadata": {}}')),
        lambda path: rewrite(path, header=np.array('{"format_version": 1, "count": "30", "metadata": {}}')),
        lambda path: rewrite(path, header=np.array('{"format_version": 1, "count": 30, "metadata": 5}')),
        lambda path: rewrite(path, sums=np.array([{}])),
        lambda path: rewrite(path, sums=np.zeros((7, 5, 3), np.int64)),
        lambda path: rewrite(path, sums=np.zeros((7, 5, 4))),
        lambda path: rewrite(path, sums=np.full((7, 5, 4), -1)),
        lambda path: rewrite(path, sums=np.full((7, 5, 4), 30 * ONE)),
        lambda path: rewrite(path, sums=np.full((7, 5, 4), 2**63 - 1)),
    ],
)
def test_damaged_files_are_refused_in_one_sentence(saved, damage):
    damage(saved)
    with pytest.raises(PfiqError) as error:
        load_variation(saved)
    message = str(error.value)
    assert message.startswith(f"{saved}: ")
    assert message.endswith(".")
    assert "\n" not in message


def test_files_that_would_fill_the_memory_are_refused(saved, monkeypatch):
    monkeypatch.setattr("pfiq_jax.variation.variation_file.LARGEST", 1000)
    with pytest.raises(PfiqError, match="more than the 1000 that can be read"):
        load_variation(saved)


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(PfiqError, match="choose another output"):
        summarize([random_maps(0, 3)]).save(tmp_path / "missing" / "good.npz")
