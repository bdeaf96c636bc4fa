"""The network: its raw outputs compared with ONNX Runtime's, and its layers."""

import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax.detection.yunet import OUTPUTS, STRIDES, YuNet, max_pool

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def run_published(data, required):
    """The published network on one padded photograph: its raw outputs, those of all strides joined."""
    onnx, onnxruntime = required("onnx"), required("onnxruntime")
    model = onnx.load(data / "weights" / "yunet" / "face_detection_yunet_2023mar_int8bq.onnx")
    one_scale = {tensor.name for tensor in model.graph.initializer if list(tensor.dims) == [1]}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[1] in one_scale:  # ONNX Runtime rejects its block size
            del node.attribute[:]
    for axis in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        axis.dim_param = "any"
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def run(pixels):
        outputs = session.run(None, {"input": pixels[None, ..., ::-1].transpose(0, 3, 1, 2)})
        starts = range(0, len(outputs), len(STRIDES))
        return [np.concatenate(outputs[start : start + len(STRIDES)], 1)[0] for start in starts]

    return run


@pytest.mark.parity
def test_raw_outputs_equal_those_of_onnx_runtime(detector, photos, run_published):
    padded = {name: np.pad(photo, ((0, 6), (0, 6), (0, 0))).astype(np.float32) for name, photo in photos.items()}
    assert len(padded) == 200
    for name, pixels in padded.items():
        found = detector.outputs(jnp.asarray(pixels[None]))
        for ours, theirs in zip(found, run_published(pixels), strict=True):
            np.testing.assert_allclose(ours[0].reshape(theirs.shape), theirs, rtol=0, atol=TOLERANCE, err_msg=name)


def test_shapes_of_a_batch_that_is_not_square(detector):
    found = detector.outputs(jnp.zeros((2, 64, 96, 3)))
    places = 8 * 12 + 4 * 6 + 2 * 3
    assert [array.shape for array in found] == [(2, places), (2, places), (2, places, 4), (2, places, 10)]


def test_photographs_of_a_batch_do_not_depend_on_each_other(detector, photos):
    pixels = np.stack([photo[:224, :224] for photo in list(photos.values())[:2]]).astype(np.float32)
    both, second = detector.outputs(jnp.asarray(pixels)), detector.outputs(jnp.asarray(pixels[1:]))
    for ours, alone in zip(both, second, strict=True):
        np.testing.assert_allclose(ours[1:], alone, rtol=0, atol=1e-5)


def test_max_pool_keeps_nan():
    x = jnp.array([[1.0, 2.0, jnp.nan, 0.0], [4.0, 3.0, 5.0, 6.0]])[None, :, :, None]
    np.testing.assert_array_equal(max_pool(x)[0, :, :, 0], [[4, jnp.nan]])
    np.testing.assert_array_equal(max_pool(x[:, :, ::-1])[0, :, :, 0], [[jnp.nan, 4]])


def test_parameters_have_the_published_number():
    shapes = YuNet().shapes()
    assert sum(leaf.size for part in shapes.values() for leaf in _leaves(part)) == 53_104
    assert OUTPUTS.keys() == shapes["heads"].keys()


def _leaves(tree):
    return [leaf for child in tree.values() for leaf in (_leaves(child) if isinstance(child, dict) else [child])]


def test_what_was_added_to_a_photograph_has_no_influence(detector, photos):
    """Zeros beyond the last multiple of 32 would move landmarks by 1.5 pixels in the median, and by up to 7."""
    first, second = list(photos.values())[:2]
    parts = [first[:224, :192].astype(np.float32), second[:96, :224].astype(np.float32)]
    padded = np.zeros((2, 320, 320, 3), np.float32)
    for canvas, part in zip(padded, parts, strict=True):
        canvas[: part.shape[0], : part.shape[1]] = part
    sizes = jnp.asarray([part.shape[:2] for part in parts])
    found = detector.outputs(jnp.asarray(padded), sizes)
    strides = np.repeat(STRIDES, [(320 // stride) ** 2 for stride in STRIDES])
    rows, columns = np.concatenate([np.mgrid[: 320 // s, : 320 // s].reshape(2, -1) for s in STRIDES], 1) * strides
    for index, part in enumerate(parts):
        counts = (rows < part.shape[0]) & (columns < part.shape[1])
        alone = detector.outputs(jnp.asarray(part[None]))
        for ours, theirs in zip(found, alone, strict=True):
            np.testing.assert_allclose(ours[index][counts], theirs[0], rtol=0, atol=1e-5)
        np.testing.assert_array_equal(found.cls[index][~counts], 0)
