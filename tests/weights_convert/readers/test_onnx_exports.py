"""ONNX files that torch's exporters and ONNX's quantisers write, to arrays and layers."""

import copy

import numpy as np
import pytest

from pfiq_jax import PfiqError
from tests.weights_convert.exports import EXPORTERS, export, quantise, small_network
from weights_convert.readers import read


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
    assert source.companions == ()


def test_exports_that_keep_batchnorms_have_the_names_of_the_state_dict(torch, network, tmp_path):
    preserve = {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE}
    source = read(export(network, tmp_path / "a.onnx", "legacy", **preserve))
    kinds = [layer.kind for layer in source.layers]
    assert kinds == [
        "conv",
        "norm",
        "prelu",
        "conv",
        "conv",
        "conv",
        "prelu",
        "norm",
        "dense",
        "prelu",
        "dense",
        "norm",
    ]
    state = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    assert source.arrays.keys() == state.keys()
    for name, tensor in state.items():
        np.testing.assert_array_equal(source.arrays[name].reshape(tensor.shape), tensor.numpy())
    assert source.epsilons == {"bn1.running_mean": 1e-5, "bn2.running_mean": 2e-3, "bn3.running_mean": 1e-5}


def test_exports_with_external_data(network, tmp_path):
    source = read(export(network, tmp_path / "a.onnx", "dynamo", external_data=True))
    check_layers(source, expected_layers(network, "dynamo"), 1e-6)
    assert source.companions == (tmp_path / "a.onnx.data",)


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
