"""Properties of all file formats; tests of single formats are in ``readers/``."""

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


@pytest.fixture(params=READERS)
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


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x02}q\x00(", b"PK\x03\x04"])
def test_other_files_are_reported_in_one_sentence(suffix, content, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(PfiqError, match=f"^{path}: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_missing_files_folders_and_unknown_formats(tmp_path):
    with pytest.raises(PfiqError, match="no such file"):
        read(tmp_path / "none.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(PfiqError, match="no such file"):
        read(tmp_path / "folder.onnx")
    (tmp_path / "a.pb").write_bytes(b"weights")
    with pytest.raises(PfiqError, match=r"has an unknown suffix; give a file with one of \.h5, "):
        read(tmp_path / "a.pb")


@pytest.mark.parametrize(("suffix", "package"), [(".onnx", "onnx"), (".h5", "h5py")])
def test_a_missing_extra_is_named(suffix, package, tmp_path, monkeypatch):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PfiqError, match=rf"requires the package {package}; pip install 'pfiq-jax\[convert\]'"):
        read(path)
