"""Operations on stored arrays, compared with ONNX's reference implementation."""

import numpy as np
import pytest

from tests.weights_convert.onnx_files import numbers
from weights_convert.readers.onnx_constants import FOLDS


@pytest.mark.parametrize(
    ("scale_shape", "axis", "block_size"),
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
    ("scale_shape", "axis", "block_size"),
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
    ("operation", "extra", "attributes"),
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


@pytest.mark.parametrize(
    ("kind", "value"), [("value_floats", [1.0, 2.0]), ("value", numbers(2)), ("value_ints", [1, 2])]
)
def test_constants_are_arrays(kind, value, onnx):
    value = onnx.numpy_helper.from_array(value) if kind == "value" else value
    array = FOLDS["Constant"](**{kind: value})
    np.testing.assert_array_equal(array, [1, 2])
    assert array.dtype == (np.int64 if kind == "value_ints" else np.float32)
