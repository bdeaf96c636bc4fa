"""MXNet's operations run by torch, and a published network compared with cosines from another runtime."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from pfiq_jax import PfiqError
from tests.weights_convert.mxnet_files import NETWORK, NORM, write
from weights_convert.readers import read
from weights_convert.runtimes.mxnet_runtime import run

PIXELS = np.random.default_rng(1).normal(size=(2, 4, 6, 6)).astype(np.float32)


@pytest.fixture
def output(torch, tmp_path) -> Callable:
    """The output of a graph for PIXELS."""

    def output(nodes, arrays=None):
        return run(read(write(tmp_path / "a.params", nodes=nodes, arrays=arrays or {})), PIXELS).embeddings

    return output


def batch_norm(torch, x, gamma, beta, mean, var):
    gamma, beta, mean, var = (array[:, None, None] for array in (gamma, beta, mean, var))
    return (x - mean) / (var + 1e-3).sqrt() * gamma + beta


def convolution(torch, x, weight, bias):
    return torch.nn.functional.conv2d(x, weight, bias, stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2)


def leaky(torch, x):
    return torch.nn.functional.leaky_relu(x, 0.1)


def prelu(torch, x, gamma):
    return torch.nn.functional.prelu(x, gamma)


def pool(kind, *arguments, **options):
    return lambda torch, x: getattr(torch.nn.functional, f"{kind}_pool2d")(x, *arguments, **options)


NORM_SHAPES = {name: (4,) for name in NORM}
CONVOLUTION = {"kernel": "(3, 3)", "stride": "(2L, 1L)", "pad": "(1,0)", "dilate": "[1, 2]", "num_group": 2}
POOLING = {"kernel": "(3, 3)", "stride": "(2, 2)"}


@pytest.mark.parametrize(
    ("operation", "shapes", "attributes", "expected"),
    [
        ("Activation", {}, {"act_type": "relu"}, lambda torch, x: torch.relu(x)),
        ("Activation", {}, {"act_type": "sigmoid"}, lambda torch, x: torch.sigmoid(x)),
        ("Activation", {}, {"act_type": "tanh"}, lambda torch, x: torch.tanh(x)),
        ("BatchNorm", NORM_SHAPES, {"fix_gamma": False}, batch_norm),
        ("BatchNorm", NORM_SHAPES, {}, lambda torch, x, gamma, *rest: batch_norm(torch, x, gamma * 0 + 1, *rest)),
        ("BlockGrad", {}, {}, lambda torch, x: x),
        ("Concat", {"other": (2, 3, 6, 6)}, {}, lambda torch, x, other: torch.cat([x, other], 1)),
        ("Convolution", {"weight": (6, 2, 3, 3), "bias": (6,)}, CONVOLUTION, convolution),
        ("Convolution", {"weight": (6, 4, 1, 1)}, {"no_bias": True}, lambda torch, x, w: torch.conv2d(x, w)),
        ("Dropout", {}, {}, lambda torch, x: x),
        ("Flatten", {}, {}, lambda torch, x: x.flatten(1)),
        ("flatten", {}, {}, lambda torch, x: x.flatten(1)),
        ("FullyConnected", {"w": (3, 144), "b": (3,)}, {}, lambda torch, x, w, b: x.flatten(1) @ w.T + b),
        ("FullyConnected", {"w": (3, 6)}, {"flatten": False}, lambda torch, x, w: x @ w.T),
        ("L2Normalization", {}, {}, lambda torch, x: x / x.square().sum((1, 2, 3), keepdim=True).sqrt()),
        ("L2Normalization", {}, {"mode": "channel"}, lambda torch, x: x / x.square().sum(1, keepdim=True).sqrt()),
        ("LeakyReLU", {}, {"slope": 0.1}, leaky),
        ("LeakyReLU", {"gamma": (4,)}, {"act_type": "prelu"}, prelu),
        ("Pooling", {}, POOLING, pool("max", 3, 2)),
        (
            "Pooling",
            {},
            POOLING | {"pooling_convention": "full", "pad": "(1, 1)"},
            pool("max", 3, 2, 1, ceil_mode=True),
        ),
        ("Pooling", {}, POOLING | {"pool_type": "avg", "pad": "(1, 1)"}, pool("avg", 3, 2, 1)),
        ("Pooling", {}, {"global_pool": 1}, lambda torch, x: x.amax((2, 3), keepdim=True)),
        ("Pooling", {}, {"global_pool": 1, "pool_type": "avg"}, lambda torch, x: x.mean((2, 3), keepdim=True)),
        ("_copy", {}, {}, lambda torch, x: x),
        ("_DivScalar", {}, {"scalar": 3}, lambda torch, x: x / 3),
        ("_minus_scalar", {}, {"scalar": 127.5}, lambda torch, x: x - 127.5),
        ("_mul_scalar", {}, {"scalar": 0.5}, lambda torch, x: x * 0.5),
        ("_PlusScalar", {}, {"scalar": 1}, lambda torch, x: x + 1),
        ("_Plus", {"other": (2, 4, 6, 6)}, {}, lambda torch, x, other: x + other),
        ("broadcast_add", {"other": (1, 4, 1, 1)}, {}, lambda torch, x, other: x + other),
        ("broadcast_mul", {"other": (1, 4, 1, 1)}, {}, lambda torch, x, other: x * other),
    ],
)
def test_operations(torch, output, operation, shapes, attributes, expected):
    random = np.random.default_rng(0)
    arrays = {name: random.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}
    found = output([(operation, "node", ["data", *arrays], attributes)], arrays)
    wanted = expected(torch, torch.tensor(PIXELS), *map(torch.tensor, arrays.values())).numpy()
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_arrays_of_any_float_are_computed_with_in_float32(output):
    add = [("broadcast_add", "sum", ["data", "one"], {})]
    for dtype in (np.float16, np.float64):
        np.testing.assert_array_equal(output(add, {"one": np.ones(1, dtype)}), PIXELS + 1)


@pytest.mark.parametrize(
    ("operation", "inputs", "attributes", "reason"),
    [
        ("Reshape", [], {}, "has the operation 'Reshape', which cannot be run here"),
        ("Activation", [], {"act_type": "softsign"}, r"node 'node' cannot be run \(act_type 'softsign' is not known\)"),
        ("LeakyReLU", [], {"act_type": "elu"}, "act_type 'elu' is not known"),
        ("Pooling", [], {"pool_type": "sum"}, "pool_type 'sum' is not known"),
        ("elemwise_add", ["none"], {}, "there is no array 'none'"),
        ("elemwise_add", ["w"], {}, "must match the size"),
        ("Flatten", ["w"], {}, "positional arguments"),
        ("Convolution", ["w"], {"stride": "(1, 2, 3)"}, "stride of 'node' is not a pair"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(output, operation, inputs, attributes, reason, tmp_path):
    with pytest.raises(
        PfiqError, match=rf"^{tmp_path}/a-symbol.json: .*{reason}.*convert it without --verify"
    ) as caught:
        output([(operation, "node", ["data", *inputs], attributes)], {"w": np.ones(5, np.float32)})
    assert "\n" not in str(caught.value)


def test_layers_go_by_the_first_array_that_each_reads(torch, tmp_path):
    source = read(write(tmp_path / "a.params"))
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 3, 5, 5)).astype(np.float32)
    outputs = run(source, pixels, layers=True)
    embeddings, layers = outputs.embeddings, outputs.layers
    assert list(layers) == ["conv0_weight", "bn0_gamma", "relu0_gamma", "pre_fc1_weight", "fc1_gamma"]
    conv = torch.conv2d(torch.tensor((pixels - 127.5) / 128), torch.tensor(source.arrays["conv0_weight"]))
    np.testing.assert_allclose(layers["conv0_weight"], conv, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layers["fc1_gamma"], embeddings)
    assert NETWORK[-1][1] == "fc1"
    assert run(source, pixels).layers == {}


BIDEN = ("biden", "biden2", "obama_and_biden_face1")
OBAMA = ("obama", "obama1", "obama2", "obama3", "obama_and_biden_face0", "obama_partial_face", "obama_partial_face2")
OTHERS = (
    "amva/example_image",
    "insightface/Tom_Hanks_54745",
    *(f"insightface/t1_face{i}" for i in range(6)),
    "pterhoer_serfiq/test_img",
    "skimage/astronaut",
)


def test_mobilefacenet_y1_has_the_cosines_of_onnx_runtime(torch, data, faces):
    person = {f"face_recognition/{name}": "Biden" for name in BIDEN}
    person |= {f"face_recognition/{name}": "Obama" for name in OBAMA} | {name: name for name in OTHERS}
    pixels = np.stack([faces[name] for name in person]).transpose(0, 3, 1, 2).astype(np.float32)
    embeddings = run(read(data / "weights" / "mobilefacenet_y1" / "model-0000.params"), pixels).embeddings
    assert embeddings.shape == (20, 128)
    embeddings /= np.linalg.norm(embeddings, axis=-1, keepdims=True)
    mated, non_mated = [], []
    for (one, x), (other, y) in itertools.combinations(zip(person.values(), embeddings, strict=True), 2):
        (mated if one == other else non_mated).append(x @ y)
    assert (len(mated), len(non_mated)) == (24, 166)
    cosines = np.mean(mated), np.min(mated), np.max(non_mated)
    np.testing.assert_allclose(cosines, (0.759, 0.611, 0.340), atol=6e-4)
