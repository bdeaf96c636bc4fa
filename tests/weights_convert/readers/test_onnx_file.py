"""ONNX graphs to arrays and layers: hand-made ones operation by operation, and what torch's exporters write."""

import copy
import os

import numpy as np
import pytest

from pfiq_jax import PfiqError
from tests.weights_convert.damage import NUMBER, check_all_are_errors_or_go_unseen, damaged
from tests.weights_convert.exports import EXPORTERS, export, quantise, small_network
from weights_convert.readers import read
from weights_convert.readers.onnx_constants import FOLDS
from weights_convert.source import Layer

BATCHNORM = ("scale", "bias", "mean", "var")


def numbers(*shape, start=1):
    """Floats that differ from each other, and are exact in any float format."""
    return np.arange(start, start + np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)


@pytest.fixture
def write(onnx, tmp_path):
    """Writes nodes, each (operation, inputs, output, attributes), and arrays as a graph from ``data`` to ``y``."""

    def write(nodes, arrays, *, opset=21, name="a.onnx", inputs=("data",)):
        value = onnx.helper.make_empty_tensor_value_info
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node(operation, ins, [out], **attributes) for operation, ins, out, attributes in nodes],
            "graph",
            [value(name) for name in inputs],
            [value("y")],
            [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
        )
        path = tmp_path / name
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)]), path)
        return path

    return write


CONV = ("Conv", ["data", "w"], "y", {})
KERNEL = {"w": numbers(2, 3, 1, 1)}


def read_conv(write, *nodes, **arrays):
    """Reads nodes ahead of a convolution of their ``x``."""
    return read(write([*nodes, ("Conv", ["x", "w"], "y", {})], KERNEL | arrays))


def test_names_are_those_from_before_quantisation(onnx, write):
    nodes = [
        ("DequantizeLinear", ["w_quantized", "w_scales", "w_zero_point"], "w_d", {"axis": 1, "block_size": 2}),
        ("Reshape", ["w_d", "w_shape"], "w_r", {}),
        ("MatMul", ["data", "w_r"], "product", {}),
        ("BatchNormalization", ["product", *BATCHNORM], "y", {"epsilon": 2e-5}),
    ]
    arrays = {
        "w_quantized": np.arange(-6, 6, dtype=np.int8).reshape(2, 6),
        "w_scales": numbers(2, 3),
        "w_zero_point": np.ones((2, 3), np.int8),
        "w_shape": np.array([6, 2]),
        **{name: numbers(2, start=start) for start, name in enumerate(BATCHNORM)},
    }
    path = write(nodes, arrays, inputs=("data", "w_d", "w_scales"))  # stale inputs, as quantisers leave them
    source = read(path)
    assert source.layers == (
        Layer("dense", {"kernel": "w"}),
        Layer("norm", {role: role for role in BATCHNORM}),
    )
    assert source.arrays.keys() == {"w", *BATCHNORM}
    assert source.epsilons == {"mean": 2e-5}
    data = numbers(1, 6)
    (expected,) = onnx.reference.ReferenceEvaluator(onnx.load(path)).run(None, {"data": data})
    scale, bias, mean, var = (source.arrays[role] for role in BATCHNORM)
    product = data @ source.arrays["w"].T
    np.testing.assert_allclose((product - mean) / np.sqrt(var + 2e-5) * scale + bias, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "scale_shape, axis, block_size",
    [((), 1, 0), ((1,), 1, 0), ((3,), 0, 0), ((6,), 1, 0), ((6,), -1, 0), ((3, 2), 1, 4), ((2, 6), 0, 2)],
)
def test_quantisation_agrees_with_onnx(scale_shape, axis, block_size, onnx):
    x = np.arange(-9, 9, dtype=np.int8).reshape(3, 6)
    scale = numbers(*scale_shape) / 4
    zero_point = np.arange(scale.size, dtype=np.int8).reshape(scale_shape)
    for operation, array in (("DequantizeLinear", x), ("QuantizeLinear", x * np.float32(30.3))):
        node = onnx.helper.make_node(operation, ["x", "s", "z"], ["y"], axis=axis, block_size=block_size)
        evaluator = onnx.reference.ReferenceEvaluator(node)
        (expected,) = evaluator.run(None, {"x": array, "s": scale, "z": zero_point})
        found = FOLDS[operation](array, scale, zero_point, axis=axis, block_size=block_size)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


@pytest.mark.parametrize(
    "scale_shape, axis, block_size",
    [
        ((4,), 1, 0),
        ((3, 6), 1, 0),
        ((3, 2), 1, 2),
        ((3, 2), 1, -3),
        ((3, 2), 0, 3),
        ((1, 6), 1, 2**60),
        ((2, 1, 1), 1, 1),
    ],
)
def test_scales_that_do_not_fit_are_refused(scale_shape, axis, block_size):
    with pytest.raises(ValueError, match="scales of shape"):
        FOLDS["DequantizeLinear"](np.zeros((3, 6), np.int8), numbers(*scale_shape), axis=axis, block_size=block_size)


@pytest.mark.parametrize(
    "operation, extra, attributes",
    [
        ("Identity", (), {}),
        ("Cast", (), {"to": 10}),
        ("Reshape", ([0, -1],), {}),
        ("Reshape", ([2, 1, 3],), {"allowzero": 1}),
        ("Unsqueeze", ([1, 3],), {}),
        ("Squeeze", ([0],), {}),
        ("Squeeze", (), {}),
        ("Transpose", (), {"perm": [1, 2, 0]}),
        ("Transpose", (), {}),
    ],
)
def test_folds_agree_with_onnx(operation, extra, attributes, onnx):
    arrays = dict(zip("xs", (numbers(1, 2, 3), *map(np.array, extra)), strict=False))
    node = onnx.helper.make_node(operation, list(arrays), ["y"], **attributes)
    (expected,) = onnx.reference.ReferenceEvaluator(node).run(None, arrays)
    found = FOLDS[operation](*arrays.values(), **attributes)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def test_axes_may_be_attributes_as_in_old_files():
    assert FOLDS["Unsqueeze"](numbers(2), axes=[1, 2]).shape == (2, 1, 1)
    assert FOLDS["Squeeze"](numbers(1, 2, 1), axes=[2]).shape == (1, 2)


@pytest.mark.parametrize("kind, value", [("value_floats", [1.0, 2.0]), ("value", numbers(2)), ("value_ints", [1, 2])])
def test_constants_are_arrays(kind, value, onnx):
    value = onnx.numpy_helper.from_array(value) if kind == "value" else value
    array = FOLDS["Constant"](**{kind: value})
    np.testing.assert_array_equal(array, [1, 2])
    assert array.dtype == (np.int64 if kind == "value_ints" else np.float32)


@pytest.mark.parametrize("attributes, factor, bias_factor", [({}, 1, 1), ({"alpha": 2.0, "beta": 0.5}, 2, 0.5)])
@pytest.mark.parametrize("bias_shape", [(2,), (1, 2), ()])
def test_dense_kernels_are_out_in(attributes, factor, bias_factor, bias_shape, write):
    nodes = [
        ("Gemm", ["data", "w", "b"], "x", attributes),
        ("Gemm", ["x", "v"], "y", attributes | {"transB": 1}),
    ]
    source = read(write(nodes, {"w": numbers(3, 2), "b": numbers(*bias_shape), "v": numbers(4, 2)}))
    assert source.layers == (Layer("dense", {"kernel": "w", "bias": "b"}), Layer("dense", {"kernel": "v"}))
    np.testing.assert_array_equal(source.arrays["w"], numbers(3, 2).T * factor)
    np.testing.assert_array_equal(source.arrays["b"], np.broadcast_to(numbers(*bias_shape).flatten(), 2) * bias_factor)
    np.testing.assert_array_equal(source.arrays["v"], numbers(4, 2) * factor)


@pytest.mark.parametrize(
    "operation, kernel, bias_shape",
    [
        ("MatMul", numbers(3, 2), (2,)),
        ("MatMul", numbers(3, 2), (1, 2)),
        ("Conv", numbers(2, 3, 1, 1), (2, 1, 1)),
        ("Conv", numbers(2, 3, 1, 1), (1, 2, 1, 1)),
    ],
)
def test_an_addition_is_a_bias(operation, kernel, bias_shape, write):
    nodes = [(operation, ["data", "w"], "x", {}), ("Add", ["b", "x"], "y", {})]
    source = read(write(nodes, {"w": kernel, "b": numbers(*bias_shape)}))
    (layer,) = source.layers
    assert layer.arrays == {"kernel": "w", "bias": "b"}
    np.testing.assert_array_equal(source.arrays["b"], [1, 2])


def test_additions_that_are_no_bias_are_left_over(write):
    conv = ("Conv", ["data", "w"], "x", {})
    bias = ("Add", ["x", "b"], "y", {})
    for nodes, shape in [
        ([conv, bias], (1, 1, 2)),  # another axis
        ([conv, bias, ("Relu", ["x"], "z", {})], (2, 1, 1)),  # that what else reads the layer does not get
        ([conv, ("Relu", ["x"], "z", {}), ("Add", ["z", "b"], "y", {})], (2, 1, 1)),
    ]:
        source = read(write(nodes, KERNEL | {"b": numbers(*shape)}))
        assert source.layers == (Layer("conv", {"kernel": "w"}),)
        assert source.arrays.keys() == {"w", "b"}


def test_what_is_no_layer_is_left_over_but_for_shapes_and_single_numbers(write):
    nodes = [
        (*CONV[:2], "c", {}),
        ("Mul", ["c", "factors"], "m", {}),
        ("Mul", ["m", "residual"], "n", {}),
        ("Reshape", ["n", "shape"], "r", {}),
        ("MatMul", ["w2", "r"], "y", {}),
    ]
    arrays = {
        "factors": numbers(2, 1, 1),
        "residual": np.float32(0.17),
        "shape": np.array([0, -1]),
        "w2": numbers(2, 2),
    }
    source = read(write(nodes, KERNEL | arrays))
    assert source.layers == (Layer("conv", {"kernel": "w"}),)
    assert source.arrays.keys() == {"w", "factors", "w2"}


def test_layers_that_share_an_array_have_it_each_under_a_name(write):
    nodes = [
        ("PRelu", ["data", "slope"], "p", {}),
        ("Identity", ["slope"], "other.slope", {}),
        ("PRelu", ["p", "other.slope"], "q", {}),
        ("PRelu", ["q", "slope"], "y", {}),
    ]
    source = read(write(nodes, {"slope": numbers(3, 1, 1)}))
    assert [layer.arrays["slope"] for layer in source.layers] == ["slope", "other.slope", "slope#2"]
    for layer in source.layers:
        np.testing.assert_array_equal(source.arrays[layer.arrays["slope"]], numbers(3, 1, 1))


@pytest.mark.parametrize(
    "steps, expected",
    [
        ([("Sub", 127.5), ("Mul", 0.0078125)], (127.5, 0.0078125)),
        ([("Sub", [[[[127.5]], [[127.5]], [[127.5]]]]), ("Div", 128)], (127.5, 0.0078125)),
        ([("Div", 255), ("Sub", 0.5), ("Div", 0.5)], (127.5, 1 / 127.5)),
        ([("Mul", 0.5), ("Add", -2)], (4, 0.5)),
        ([("Cast", None), ("Identity", None)], None),
        ([], None),
    ],
)
def test_preprocessing_is_read(steps, expected, write):
    names = ["data", *(f"x{i}" for i in range(len(steps)))]
    nodes = [
        (operation, [name] if number is None else [name, f"n{i}"], f"x{i}", {"to": 1} if operation == "Cast" else {})
        for i, ((operation, number), name) in enumerate(zip(steps, names, strict=False))
    ]
    constants = {f"n{i}": np.asarray(n, np.float32) for i, (_, n) in enumerate(steps) if n is not None}
    source = read(write([*nodes, ("Conv", [names[-1], "w"], "y", {})], KERNEL | constants))
    assert source.pixels == expected
    assert source.arrays.keys() == {"w"}


@pytest.mark.parametrize(
    "node", [("Sub", ["data", "n"]), ("Div", ["one", "data"]), ("Transpose", ["data"]), ("Gather", ["data", "order"])]
)
def test_other_preprocessing_is_refused(node, write):
    arrays = {"n": numbers(3, 1, 1), "one": np.float32(1), "order": np.array([2, 1, 0])}
    with pytest.raises(PfiqError, match=rf"its preprocessing includes a {node[0]}, "):
        read_conv(write, (*node, "x", {}), **arrays)


@pytest.mark.parametrize(
    "inputs, attributes, expected",
    [(["r"], {}, 0.4), ([], {"ratio": 0.4}, 0.4), ([], {}, 0.5), ([], {"ratio": 0.0}, None)],
)
def test_dropout_rate_is_read(inputs, attributes, expected, write):
    source = read_conv(write, ("Conv", ["data", "v"], "c", {}), ("Dropout", ["c", *inputs], "x", attributes),
                       v=numbers(3, 3, 1, 1), r=np.float32(0.4))  # fmt: skip
    assert source.dropout_rate == expected
    assert len(source.layers) == 2


@pytest.mark.parametrize(
    "nodes, reason",
    [
        ([("ConvInteger", ["data", "i"], "y", {})], r"computes in integers \(ConvInteger\); give the float model"),
        (
            [("Mul", ["w", "w"], "v", {}), ("Conv", ["data", "v"], "y", {})],
            r"parameters of a Conv \(Mul\); export it with const",
        ),
        ([("Conv", ["data", "none"], "y", {})], "none, an input of a Conv, is not defined"),
        ([CONV, CONV], "y is defined twice"),
        ([("Conv", ["data", "i"], "y", {})], "i, of a Conv, is int8"),
        ([("Gemm", ["data", "w"], "y", {})], "not a dense layer"),
        ([("BatchNormalization", ["data", "w", "w", "w"], "y", {})], "a BatchNormalization has 3 parameters"),
    ],
)
def test_graphs_that_cannot_be_read(nodes, reason, write):
    path = write(nodes, KERNEL | {"i": np.ones((2, 3, 1, 1), np.int8)})
    with pytest.raises(PfiqError, match=rf"^{path}: .*{reason}"):
        read(path)


def test_branches_are_refused(onnx, write):
    branch = onnx.helper.make_graph([], "branch", [], [])
    with pytest.raises(PfiqError, match=r"branches or loops \(If\)"):
        read(write([("If", ["data"], "y", {"then_branch": branch, "else_branch": branch})], {}))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_any_float_is_kept(dtype, write):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))
    source = read(write([("Gemm", ["data", "w"], "y", {"alpha": 2.0})], {"w": numbers(3, 2).astype(dtype)}))
    assert source.arrays["w"].dtype == dtype
    np.testing.assert_array_equal(source.arrays["w"].astype(np.float32), 2 * numbers(3, 2).T)


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


def test_weights_beside_the_model_are_read(write_external, tmp_path):
    (tmp_path / "a.data").write_bytes(b"1234" + KERNEL["w"].tobytes())
    source = read(write_external("a.data", offset=4, length=24))
    np.testing.assert_array_equal(source.arrays["w"], KERNEL["w"])
    assert source.companion == tmp_path / "a.data"
    assert source.path == tmp_path / "a.onnx"


@pytest.mark.parametrize(
    "location, place, reason",
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


@pytest.fixture(scope="module")
def network(torch):
    return small_network(torch)


def folded(convolution, norm):
    """The kernel and bias of a convolution or dense layer with its BatchNorm folded into it."""
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = 0 if convolution.bias is None else convolution.bias
    kernel = convolution.weight * factor.reshape(-1, *(1 for _ in convolution.weight.shape[1:]))
    return kernel, (bias - norm.running_mean) * factor + norm.bias


def check_layers(source, expected, tolerance):
    """Compares with (kind, tensors in the order of the roles) in the order of the layers."""
    assert [layer.kind for layer in source.layers] == [kind for kind, *_ in expected]
    assert len(source.arrays) == sum(len(layer.arrays) for layer in source.layers)
    for layer, (_, *tensors) in zip(source.layers, expected, strict=True):
        for name, tensor in zip(layer.arrays.values(), tensors, strict=True):
            array = source.arrays[name].astype(np.float32).reshape(tensor.shape)  # slopes are (channels, 1, 1) or so
            np.testing.assert_allclose(array, tensor.detach().float().numpy(), rtol=tolerance, atol=tolerance)


def norm_of(norm):
    return "norm", norm.weight, norm.bias, norm.running_mean, norm.running_var


def expected_layers(network, exporter):
    """Where BatchNorms are folded: only dynamo folds one into a dense layer."""
    last = [("dense", *folded(network.fc2, network.bn3))]
    if exporter == "legacy":
        last = [("dense", network.fc2.weight, network.fc2.bias), norm_of(network.bn3)]
    return [
        ("conv", *folded(network.conv1, network.bn1)),
        ("prelu", network.prelu1.weight),
        ("conv", network.conv2.weight, network.conv2.bias),
        ("conv", network.se1.weight),
        ("conv", network.se2.weight, network.se2.bias),
        ("prelu", network.prelu2.weight),
        norm_of(network.bn2),
        ("dense", network.fc1.weight),
        ("prelu", network.prelu3.weight),
        *last,
    ]


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_exports_with_folded_batchnorms(exporter, dtype, torch, network, tmp_path):
    network = copy.deepcopy(network).to(getattr(torch, dtype))
    source = read(export(network, tmp_path / "a.onnx", exporter))
    check_layers(source, expected_layers(network, exporter), 1e-6 if dtype == "float32" else 2e-3)
    assert {array.dtype for array in source.arrays.values()} == {np.dtype(dtype)}
    assert set(source.epsilons.values()) == ({2e-3, 1e-5} if exporter == "legacy" else {2e-3})
    assert source.pixels == (127.5, 0.0078125)
    assert source.companion is None


def test_exports_that_keep_batchnorms_have_the_names_of_the_state_dict(torch, network, tmp_path):
    preserve = {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE}
    source = read(export(network, tmp_path / "a.onnx", "legacy", **preserve))
    kinds = [layer.kind for layer in source.layers]
    assert kinds == "conv norm prelu conv conv conv prelu norm dense prelu dense norm".split()
    state = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    assert source.arrays.keys() == state.keys()
    for name, tensor in state.items():
        np.testing.assert_array_equal(source.arrays[name].reshape(tensor.shape), tensor.numpy())
    assert source.epsilons == {"bn1.running_mean": 1e-5, "bn2.running_mean": 2e-3, "bn3.running_mean": 1e-5}


def test_exports_with_external_data(network, tmp_path):
    source = read(export(network, tmp_path / "a.onnx", "dynamo", external_data=True))
    check_layers(source, expected_layers(network, "dynamo"), 1e-6)
    assert source.companion == tmp_path / "a.onnx.data"


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("per_channel", [False, True])
def test_quantised_exports(exporter, per_channel, onnxruntime, network, tmp_path):
    path = quantise(export(network, tmp_path / "a.onnx", exporter), per_channel=per_channel)
    source = read(path)
    check_layers(source, expected_layers(network, exporter), 0.02)
    np.testing.assert_allclose(source.pixels, (127.5, 0.0078125), rtol=1e-6)


def test_exports_quantised_to_integer_operations_are_refused(onnxruntime, network, tmp_path):
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(export(network, tmp_path / "a.onnx", "legacy"), tmp_path / "b.onnx")
    with pytest.raises(PfiqError, match=r"b\.onnx: computes in integers \(ConvInteger\); give the float model"):
        read(tmp_path / "b.onnx")


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_iresnet_exports(exporter, random_iresnet, tmp_path):
    network = random_iresnet(18, 8)
    source = read(export(network, tmp_path / "a.onnx", exporter, side=112))
    expected = [("conv", *folded(network.conv1, network.bn1)), ("prelu", network.prelu.weight)]
    for block in [block for stage in (1, 2, 3, 4) for block in getattr(network, f"layer{stage}")]:
        expected += [norm_of(block.bn1), ("conv", *folded(block.conv1, block.bn2)), ("prelu", block.prelu.weight)]
        expected += [("conv", *folded(block.conv2, block.bn3))]
        expected += [("conv", *folded(*block.downsample))] if block.downsample else []
    expected += [norm_of(network.bn2)]
    if exporter == "dynamo":
        expected += [("dense", *folded(network.fc, network.features))]
    else:
        expected += [("dense", network.fc.weight, network.fc.bias), norm_of(network.features)]
    check_layers(source, expected, 1e-6)
