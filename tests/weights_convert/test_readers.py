"""Files to arrays: names, and every way a file can be bad."""

import os
import pickle
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from pfiq_jax import PfiqError
from weights_convert.readers import READERS, Source, read

WEIGHT = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6)


def small_onnx(onnx, path, *, block_size=2):
    """data * weight, the weight quantised in blocks and reshaped, then a BatchNorm."""
    helper, to_proto = onnx.helper, onnx.numpy_helper.from_array
    arrays = {
        "w_quantized": np.arange(-6, 6, dtype=np.int8).reshape(2, 6),
        "w_scales": np.arange(1, 7, dtype=np.float32).reshape(2, 3),
        "w_zero_point": np.ones((2, 3), np.int8),
        "w_shape": np.array([6, 2]),
        **{f"bn_{name}": np.ones(2, np.float32) for name in ("gamma", "beta", "mean", "var")},
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["w_quantized", "w_scales", "w_zero_point"], ["w_d"], axis=1,
                         block_size=block_size),
        helper.make_node("Reshape", ["w_d", "w_shape"], ["w_r"]),
        helper.make_node("MatMul", ["data", "w_r"], ["product"]),
        helper.make_node("BatchNormalization", ["product", *(f"bn_{n}" for n in ("gamma", "beta", "mean", "var"))],
                         ["y"], name="bn", epsilon=2e-5),
    ]  # fmt: skip
    vector = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [vector("data", onnx.TensorProto.FLOAT, [1, 6])],
        [vector("y", onnx.TensorProto.FLOAT, [1, 2])],
        [to_proto(array, name) for name, array in arrays.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), path)


@pytest.fixture
def write(request) -> Callable:
    """Writes a small sound file of the format that a suffix names."""

    def write(path):
        if path.suffix == ".safetensors":
            save_file({"w": WEIGHT}, path)
        elif path.suffix == ".onnx":
            small_onnx(request.getfixturevalue("onnx"), path)
        else:
            torch = request.getfixturevalue("torch")
            torch.save({"w": torch.tensor(WEIGHT)}, path)

    return write


def test_torch_checkpoints_are_unwrapped(torch, tmp_path):
    tensors = {"module.w": torch.tensor(WEIGHT, dtype=torch.bfloat16), "module.steps": torch.tensor(7)}
    torch.save({"state_dict": tensors, "epoch": 3}, tmp_path / "a.ckpt")
    arrays = read(tmp_path / "a.ckpt").arrays
    assert arrays.keys() == {"w", "steps"}
    assert arrays["w"].dtype == np.float32
    np.testing.assert_allclose(arrays["w"], WEIGHT, rtol=2**-8)


def test_parameters_of_a_training_run_are_read(torch, tmp_path):
    torch.save({"w": torch.nn.Parameter(torch.tensor(WEIGHT))}, tmp_path / "a.pt")
    np.testing.assert_array_equal(read(tmp_path / "a.pt").arrays["w"], WEIGHT)


def test_safetensors_of_any_float_become_float32(tmp_path):
    save_file({"w": WEIGHT.astype(np.float64), "steps": np.array(7)}, tmp_path / "a.safetensors")
    arrays = read(tmp_path / "a.safetensors").arrays
    assert arrays["w"].dtype == np.float32
    assert arrays["steps"].dtype == np.int64


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x02}q\x00(", b"PK\x03\x04"])
def test_what_is_no_weights_file_is_one_sentence(suffix, content, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(PfiqError, match=f"^{path}: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", READERS)
def test_truncated_files_are_found(suffix, write, tmp_path):
    path = tmp_path / f"a{suffix}"
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(PfiqError, match=f"^{path}: "):
        read(path)


def test_missing_files_folders_and_unknown_formats(tmp_path):
    with pytest.raises(PfiqError, match="no such file"):
        read(tmp_path / "none.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(PfiqError, match="no such file"):
        read(tmp_path / "folder.onnx")
    (tmp_path / "a.h5").write_bytes(b"weights")
    with pytest.raises(PfiqError, match=r"its suffix names no known format; give one of \.onnx, "):
        read(tmp_path / "a.h5")


@pytest.mark.parametrize(
    "suffix, package, extra", [(".onnx", "onnx", "convert"), (".pt", "torch", "verify"), (".ckpt", "torch", "verify")]
)
def test_a_missing_extra_is_named(suffix, package, extra, tmp_path, monkeypatch):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PfiqError, match=rf"needs the package {package}; pip install 'pfiq-jax\[{extra}\]'"):
        read(path)


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_never_runs_code(torch, protocol, tmp_path):
    marker = tmp_path / "it ran"
    torch.save({"w": Malicious(marker)}, tmp_path / "zipped.pt", pickle_protocol=protocol)
    (tmp_path / "bare.pt").write_bytes(pickle.dumps({"w": Malicious(marker)}, protocol))
    for name in ("zipped.pt", "bare.pt"):
        with pytest.raises(PfiqError, match="would run code when loaded, which is refused"):
            read(tmp_path / name)
    assert not marker.exists()


@pytest.mark.parametrize("content", [{}, [1, 2], {"w": 3}, {"state_dict": 1}])
def test_torch_files_without_a_state_dict(torch, content, tmp_path):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(PfiqError, match="something else than a state dict"):
        read(tmp_path / "a.pt")


def test_a_flipped_bit_in_a_torch_file_is_found(torch, write, tmp_path):
    path = tmp_path / "a.pt"
    write(path)
    content = bytearray(path.read_bytes())
    content[content.index(WEIGHT.tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(PfiqError, match="wrong checksum"):
        read(path)


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors", ".pt"])
def test_any_damage_is_an_error_or_goes_unseen(suffix, write, tmp_path):
    path = tmp_path / f"a{suffix}"
    write(path)
    sound = path.read_bytes()

    @settings(max_examples=150, deadline=None, database=None)
    @given(
        flips=st.dictionaries(st.integers(0, len(sound) - 1), st.integers(1, 255), max_size=6),
        length=st.one_of(st.just(len(sound)), st.integers(0, len(sound))),
    )
    def damage(flips, length):
        content = bytearray(sound)
        for position, flip in flips.items():
            content[position] ^= flip
        path.write_bytes(content[:length])
        try:
            assert isinstance(read(path), Source)
        except PfiqError as error:
            assert str(error).startswith(f"{path}: ")

    damage()
