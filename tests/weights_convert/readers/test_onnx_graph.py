"""ONNX graphs made by hand, operation by operation, to arrays and layers."""

import numpy as np
import pytest

from pfiq_jax import PfiqError
from tests.weights_convert.onnx_files import BATCHNORM, CONV, KERNEL, numbers
from weights_convert.readers import read
from weights_convert.source import Layer


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


@pytest.mark.parametrize(("attributes", "factor", "bias_factor"), [({}, 1, 1), ({"alpha": 2.0, "beta": 0.5}, 2, 0.5)])
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
    ("operation", "kernel", "bias_shape"),
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


def test_other_additions_are_left_over(write):
    conv = ("Conv", ["data", "w"], "x", {})
    bias = ("Add", ["x", "b"], "y", {})
    for nodes, shape in [
        ([conv, bias], (1, 1, 2)),  # along another axis
        ([conv, bias, ("Relu", ["x"], "z", {})], (2, 1, 1)),  # the Relu reads the layer without it
        ([conv, ("Relu", ["x"], "z", {}), ("Add", ["z", "b"], "y", {})], (2, 1, 1)),
    ]:
        source = read(write(nodes, KERNEL | {"b": numbers(*shape)}))
        assert source.layers == (Layer("conv", {"kernel": "w"}),)
        assert source.arrays.keys() == {"w", "b"}


def test_arrays_outside_of_layers_are_left_over_except_shapes_and_single_numbers(write):
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


def test_layers_that_share_an_array_have_it_under_one_name_each(write):
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
    ("steps", "expected"),
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
    ("inputs", "attributes", "expected"),
    [(["r"], {}, 0.4), ([], {"ratio": 0.4}, 0.4), ([], {}, 0.5), ([], {"ratio": 0.0}, None)],
)
def test_dropout_rate_is_read(inputs, attributes, expected, write):
    source = read_conv(write, ("Conv", ["data", "v"], "c", {}), ("Dropout", ["c", *inputs], "x", attributes),
                       v=numbers(3, 3, 1, 1), r=np.float32(0.4))  # fmt: skip
    assert source.dropout_rate == expected
    assert len(source.layers) == 2


@pytest.mark.parametrize(
    ("nodes", "reason"),
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
