"""ONNX files: weights in a second file, damage, and the published SFace network."""

import os

import numpy as np
import pytest

from pfiq_jax import PfiqError
from tests.weights_convert.damage import NUMBER, check_all_are_errors_or_go_unseen, damaged
from tests.weights_convert.onnx_files import BATCHNORM, CONV, KERNEL, numbers
from weights_convert.readers import read


@pytest.fixture
def write_external(onnx, write):
    """Writes a small graph whose kernel lies in another file, by offset and length if they are given."""

    def write_external(location, **place):
        path = write([CONV], KERNEL)
        model = onnx.load(path)
        (tensor,) = model.graph.initializer
        onnx.external_data_helper.set_external_data(tensor, str(location), **place)
        tensor.ClearField("raw_data")
        path.write_bytes(model.SerializeToString())
        return path

    return write_external


def test_weights_next_to_the_model_are_read(write_external, tmp_path):
    (tmp_path / "a.data").write_bytes(b"1234" + KERNEL["w"].tobytes())
    source = read(write_external("a.data", offset=4, length=24))
    np.testing.assert_array_equal(source.arrays["w"], KERNEL["w"])
    assert source.companions == (tmp_path / "a.data",)
    assert source.path == tmp_path / "a.onnx"


@pytest.mark.parametrize(
    ("location", "place", "reason"),
    [
        ("../a.data", {}, "not in a file in its own folder"),
        ("folder/../../a.data", {}, "not in a file in its own folder"),
        ("/etc/hostname", {}, "not in a file in its own folder"),
        ("link.data", {}, "not in a file in its own folder"),
        ("none.data", {}, "weights in none.data are missing"),
        (".", {}, "are missing; put that file"),
        ("", {}, "are missing; put that file"),
        ("a.data", {"length": 25}, "exceed the end of a.data"),
        ("a.data", {"length": 2**62}, "exceed the end of a.data"),
        ("a.data", {"length": -1}, "exceed the end of a.data"),
        ("a.data", {"offset": 1, "length": 24}, "exceed the end of a.data"),
        ("a.data", {"offset": -24, "length": 24}, "exceed the end of a.data"),
    ],
)
def test_weights_elsewhere_are_refused(location, place, reason, write_external, tmp_path):
    for folder in (tmp_path, tmp_path.parent):
        (folder / "a.data").write_bytes(KERNEL["w"].tobytes())
    os.symlink("a.data", tmp_path / "link.data")
    path = write_external(location, **place)
    with pytest.raises(PfiqError, match=rf"^{path}: .*{reason}"):
        read(path)


def test_copies_of_arrays_stay_in_proportion_to_the_file(write, tmp_path, onnx):
    """Each operation takes some bytes in the file, and in memory a copy of 4 MB or more."""
    large = np.zeros((1000, 1000), np.float32)
    casts = [("Cast", [f"w{n}" if n else "w"], f"w{n + 1}", {"to": 10 + n % 2}) for n in range(300)]
    gemms = [("Gemm", [f"d{n}" if n else "data", "w"], f"d{n + 1}", {"alpha": 2.0}) for n in range(300)]
    paths = []
    for name, nodes in (("casts", casts), ("gemms", gemms)):
        path = write([*nodes, ("Relu", [nodes[-1][2]], "y", {})], {"w": large})
        paths.append(path.rename(tmp_path / f"{name}.onnx"))
    (tmp_path / "a.data").write_bytes(large.tobytes())
    layers = [("MatMul", ["data", f"w{n}"], f"y{n}", {}) for n in range(300)]
    path = write(layers, {f"w{n}": large[:1, :1] for n in range(300)})
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        tensor.dims[:] = large.shape
        onnx.external_data_helper.set_external_data(tensor, "a.data")
        tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    assert check_all_are_errors_or_go_unseen([*paths, path]) == 3


@pytest.mark.parametrize("external", [False, True])
def test_damage_is_an_error_or_goes_unseen(external, onnx, write, tmp_path):
    nodes = [
        ("Sub", ["data", "shift"], "p", {}),
        ("Conv", ["p", "w"], "c", {"kernel_shape": [1, 1]}),
        ("Unsqueeze", ["slope", "axes"], "s", {}),
        ("PRelu", ["c", "s"], "q", {}),
        ("BatchNormalization", ["q", *BATCHNORM], "n", {"epsilon": 2e-5}),
        ("Dropout", ["n", "rate"], "d", {}),
        ("Reshape", ["d", "shape"], "r", {}),
        ("DequantizeLinear", ["fc_quantized", "fc_scales", "fc_zero_point"], "fc_d", {"axis": 1, "block_size": 2}),
        ("Transpose", ["fc_d"], "fc_t", {"perm": [1, 0]}),
        ("Cast", ["fc_t"], "fc_c", {"to": 1}),
        ("Gemm", ["r", "fc_c", "b"], "y", {"alpha": 2.0}),
    ]
    arrays = {
        "shift": np.float32(127.5),
        "slope": numbers(2),
        "axes": np.array([1, 2]),
        "rate": np.float32(0.4),
        "shape": np.array([0, -1]),
        "fc_quantized": np.arange(-6, 6, dtype=np.int8).reshape(2, 6),
        "fc_scales": numbers(2, 3),
        "fc_zero_point": np.ones((2, 3), np.int8),
        "b": numbers(2),
        **{name: numbers(2) for name in BATCHNORM},
    }
    path = write(nodes, KERNEL | arrays)
    if external:
        onnx.save(onnx.load(path), path, save_as_external_data=True, location="a.data", size_threshold=0)
    assert len(read(path).layers) == 4
    words = (b"Conv", b"Gemm", b"PRelu", b"Reshape", b"Transpose", b"DequantizeLinear", b"slope", b"shape", b"axes")
    paths = [tmp_path / f"{index}.onnx" for index in range(NUMBER)]
    for damaged_path, content in zip(paths, damaged(path.read_bytes(), words=words), strict=True):
        damaged_path.write_bytes(content)
    assert check_all_are_errors_or_go_unseen(paths) > NUMBER / 4


def test_sface_is_read_whole(sface_source):
    kinds = [layer.kind for layer in sface_source.layers]
    assert kinds == ["conv", "norm", "prelu"] * 27 + ["norm", "dense", "norm"]
    assert {name for layer in sface_source.layers for name in layer.arrays.values()} == sface_source.arrays.keys()
    assert sface_source.pixels == (127.5, 0.0078125)
    assert sface_source.dropout_rate == 0.4
    head = {"bn1_moving_mean": 2e-5, "fc1_moving_mean": 2e-5}
    assert sface_source.epsilons == dict.fromkeys(sface_source.epsilons, 1e-3) | head
    assert sface_source.arrays["pre_fc1_weight"].shape == (128, 50176)
