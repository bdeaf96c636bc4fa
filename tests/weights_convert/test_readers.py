"""Properties of all file formats; tests of single formats are in ``readers/``."""

import json
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from pfiq_jax import PfiqError
from tests.weights_convert import mxnet_files
from tests.weights_convert.keras_files import KERAS_LAYERS, MMDNN_LAYERS, write_keras
from weights_convert.readers import READERS, read

WEIGHT = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6)


def small_onnx(onnx, path):
    """data * weight."""
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["data", "w"], ["y"])],
        "small",
        [onnx.helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, [1, 2])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 6])],
        [onnx.numpy_helper.from_array(WEIGHT, "w")],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)]), path)


SUFFIXES = [suffix for reader in READERS for suffix in reader.suffixes]


@pytest.fixture(params=SUFFIXES)
def sound(request, tmp_path):
    """A small valid file of each format."""
    path = tmp_path / f"a{request.param}"
    if path.suffix in (".h5", ".hdf5"):
        write_keras(request.getfixturevalue("h5py"), path, KERAS_LAYERS)
    elif path.suffix == ".npy":
        np.save(path, MMDNN_LAYERS)
    elif path.suffix == ".onnx":
        small_onnx(request.getfixturevalue("onnx"), path)
    elif path.suffix == ".params":
        mxnet_files.write(path)
    elif path.suffix == ".safetensors":
        save_file({"w": WEIGHT}, path)
    else:
        torch = request.getfixturevalue("torch")
        torch.save({"w": torch.tensor(WEIGHT)}, path)
    return path


def test_sound_files_are_read_whatever_the_case_of_their_suffix(sound):
    source = read(sound)
    assert source.path == sound
    assert source.arrays
    upper = sound.with_suffix(sound.suffix.upper())
    sound.rename(upper)
    assert read(upper).arrays.keys() == source.arrays.keys()


def test_truncated_files_are_found(sound):
    whole = sound.read_bytes()
    sound.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(PfiqError, match=f"^{sound}: "):
        read(sound)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x02}q\x00(", b"PK\x03\x04"])
def test_other_files_are_reported_in_one_sentence(suffix, content, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(PfiqError, match=f"^{path}: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_missing_files_and_unknown_formats(tmp_path):
    with pytest.raises(PfiqError, match="no such file"):
        read(tmp_path / "none.onnx")
    (tmp_path / "a.pb").write_bytes(b"weights")
    with pytest.raises(PfiqError, match=r"is not in a known format; give a file in one of safetensors, "):
        read(tmp_path / "a.pb")


def test_the_content_decides_and_not_the_suffix(sound):
    expected = read(sound)
    for suffix in (".pth.tar", ".bin", ".dat", "", ".onnx", ".params", ".safetensors"):
        renamed = sound.rename(sound.with_name(f"model{suffix}"))
        symbol = [path for path in expected.companions if expected.file_format == "MXNet"]
        found = read(renamed, *symbol)
        assert (found.file_format, found.arrays.keys()) == (expected.file_format, expected.arrays.keys())
        sound = renamed


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"\n <HTML>", "is a web page"),
        (b"\x1f\x8b\x08\x00", "is compressed"),
        (b"a.pth".ljust(257, b"\0") + b"ustar", "is a tar archive"),
        (b'{"config": 1}', "is a JSON file without weights"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".onnx", ""])
def test_what_is_not_weights_is_named(content, problem, suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(PfiqError, match=f"^{path}: {problem}"):
        read(path)


HALVES = {"model-00001-of-00002.safetensors": {"a.w": WEIGHT}, "model-00002-of-00002.safetensors": {"b.w": WEIGHT + 1}}
INDEX = "model.safetensors.index.json"


@pytest.fixture
def shards(tmp_path):
    """A folder as Hugging Face's libraries write it."""
    for file, arrays in HALVES.items():
        save_file(arrays, tmp_path / file)
    places = {name: file for file, arrays in HALVES.items() for name in arrays}
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {"total_size": 96}, "weight_map": places}))
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_shards_are_read_by_their_index_or_folder(shards):
    for path in (shards, shards / INDEX):
        source = read(path)
        assert source.path == shards / INDEX
        assert [companion.name for companion in source.companions] == sorted(HALVES)
        assert source.arrays.keys() == {"a.w", "b.w"}
        np.testing.assert_array_equal(source.arrays["b.w"], WEIGHT + 1)


def test_one_shard_of_two_is_refused(shards):
    first, second = sorted(HALVES)
    with pytest.raises(PfiqError, match=rf"^{shards / first}: is one of 2 shards; give {INDEX} or the folder of all"):
        read(shards / first)
    (shards / second).unlink()
    with pytest.raises(PfiqError, match=rf"^{shards / INDEX}: its shard '{second}' is not next to it; "):
        read(shards)


@pytest.mark.parametrize("name", ["../a.safetensors", "/etc/hostname", "", ".", "link.safetensors"])
def test_an_index_leads_to_no_other_folder(name, shards, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.safetensors"
    save_file({"w": WEIGHT}, elsewhere)
    (shards / "link.safetensors").symlink_to(elsewhere)
    (shards / INDEX).write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises(PfiqError, match="is not next to it"):
        read(shards / INDEX)


@pytest.mark.parametrize("content", ["[]", "{}", '{"weight_map": 3}', '{"weight_map": {"w": 3}}', "[" * 100_000])
def test_damaged_indices(content, shards):
    (shards / INDEX).write_text(content)
    with pytest.raises(PfiqError, match=rf"^{shards / INDEX}: is truncated or not in the index of shards format") as e:
        read(shards)
    assert len(str(e.value)) < 300 + len(str(shards))


def test_folders_of_one_file_and_of_many(tmp_path):
    with pytest.raises(PfiqError, match=rf"^{tmp_path}: is a folder with no weights file; give one weights file"):
        read(tmp_path)
    save_file({"w": WEIGHT}, tmp_path / "a.safetensors")
    assert read(tmp_path).path == tmp_path / "a.safetensors"
    save_file({"w": WEIGHT}, tmp_path / "b.safetensors")
    with pytest.raises(PfiqError, match=r"is a folder with a\.safetensors, b\.safetensors; give one weights file"):
        read(tmp_path)
    save_file({"w": WEIGHT}, tmp_path / "model.safetensors")
    assert read(tmp_path).path == tmp_path / "model.safetensors"


def test_bfloat16_stays_bfloat16_and_float8_is_refused(torch, tmp_path):
    from safetensors.torch import save_file as save_torch

    save_torch({"w": torch.ones(2).bfloat16()}, tmp_path / "a.safetensors")
    assert str(read(tmp_path / "a.safetensors").arrays["w"].dtype) == "bfloat16"
    save_torch({"w": torch.ones(2).to(torch.float8_e4m3fn)}, tmp_path / "b.safetensors")
    with pytest.raises(PfiqError, match=r"b\.safetensors: w has the dtype F8_E4M3; save it as float16 or float32"):
        read(tmp_path / "b.safetensors")


@pytest.mark.parametrize(("suffix", "package"), [(".onnx", "onnx"), (".h5", "h5py")])
def test_a_missing_extra_is_named(suffix, package, tmp_path, monkeypatch):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        PfiqError, match=rf"requires the package {package}; install it with `pip install 'pfiq-jax\[convert\]'"
    ):
        read(path)
