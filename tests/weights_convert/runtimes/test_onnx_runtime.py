"""ONNX Runtime compared with torch: embeddings and the outputs of layers."""

import copy

import numpy as np
import pytest

from pfiq_jax import PfiqError
from tests.weights_convert.exports import EXPORTERS, export, quantise, small_network
from weights_convert.readers import read
from weights_convert.runtimes.onnx_runtime import run

PIXELS = np.random.default_rng(0).uniform(0, 255, (3, 3, 8, 8)).astype(np.float32)
DIM = 5  # of the small network
# the last module of each layer: a layer ends with the BatchNorm that exporters fold into it
MODULES = ("bn1", "prelu1", "conv2", "se1", "se2", "prelu2", "bn2", "fc1", "prelu3", "fc2", "bn3")


@pytest.fixture(scope="module")
def network(torch, onnxruntime):
    return small_network(torch)


@pytest.fixture(scope="module")
def outputs(torch, network):
    """The output of each module for PIXELS."""
    outputs, hooked = {}, copy.deepcopy(network)
    for name, module in hooked.named_children():
        module.register_forward_hook(lambda _module, _inputs, output, name=name: outputs.update({name: output.numpy()}))
    with torch.inference_mode():
        hooked(torch.tensor(PIXELS))
    return outputs


def check(source, expected, tolerance=1e-5):
    """Compares with the outputs of the layers; the last one's are the embeddings."""
    outputs = run(source, PIXELS, DIM, layers=True)
    embeddings, found = outputs.embeddings, outputs.layers
    assert list(found) == [next(iter(layer.arrays.values())) for layer in source.layers]
    for array, theirs in zip(found.values(), expected, strict=True):
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, theirs, rtol=tolerance, atol=tolerance * np.abs(theirs).max())
    np.testing.assert_array_equal(embeddings, list(found.values())[-1])
    alone = run(source, PIXELS, DIM)
    assert alone.layers == {}
    np.testing.assert_allclose(alone.embeddings, embeddings, rtol=tolerance, atol=tolerance * np.abs(embeddings).max())


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_layers_are_those_of_torch(exporter, network, outputs, tmp_path):
    source = read(export(network, tmp_path / "a.onnx", exporter))
    folded = {"fc2"} if exporter == "dynamo" else set()  # bn3 is folded into it
    check(source, [outputs[name] for name in MODULES if name not in folded])


def test_kept_batchnorms_are_layers(torch, network, outputs, tmp_path):
    preserve = {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE}
    source = read(export(network, tmp_path / "a.onnx", "legacy", **preserve))
    check(source, [outputs[name] for name in ("conv1", *MODULES)])


def test_weights_next_to_the_model(network, outputs, tmp_path):
    source = read(export(network, tmp_path / "a.onnx", "dynamo", external_data=True))
    check(source, [outputs[name] for name in MODULES if name != "fc2"])


def test_float16(torch, network, outputs, tmp_path):
    source = read(export(copy.deepcopy(network).half(), tmp_path / "a.onnx", "legacy"))
    check(source, [outputs[name] for name in MODULES], tolerance=5e-3)


def test_quantised_graphs_run_as_they_are(network, outputs, tmp_path):
    source = read(quantise(export(network, tmp_path / "a.onnx", "legacy")))
    outputs_found = run(source, PIXELS, DIM, layers=True)
    embeddings, found = outputs_found.embeddings, outputs_found.layers
    assert len(found) == len(source.layers)
    np.testing.assert_allclose(embeddings, outputs["bn3"], atol=0.05 * np.abs(outputs["bn3"]).max())


def test_sface_runs_despite_its_stale_inputs(onnxruntime, sface_source):
    outputs = run(sface_source, np.zeros((1, 3, 112, 112), np.float32), 128, layers=True)
    embeddings, found = outputs.embeddings, outputs.layers
    assert embeddings.shape == (1, 128)
    assert len(found) == len(sface_source.layers)
    np.testing.assert_array_equal(found["fc1_gamma"], embeddings)
    assert found["bn1_gamma"].shape == (1, 1024, 7, 7)


@pytest.fixture
def small_graph(onnx, onnxruntime, tmp_path):
    """Reads a graph of nodes, each (operation, inputs, output), from (1, 3) ``data`` to ``y``."""

    def small_graph(*nodes, shape=(1, 3)):
        float32 = onnx.TensorProto.FLOAT
        arrays = {"w": np.ones((3, 2), np.float32), "b": np.arange(2, dtype=np.float32), "two": np.array([2, -1])}
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node(operation, inputs, [output]) for operation, inputs, output in nodes],
            "graph",
            [onnx.helper.make_tensor_value_info("data", float32, shape)],
            [onnx.helper.make_tensor_value_info("y", float32, None)],
            [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
        )
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / "a.onnx")
        return read(tmp_path / "a.onnx")

    return small_graph


def test_a_layer_ends_with_the_addition_of_its_bias(small_graph):
    source = small_graph(("MatMul", ["data", "w"], "x"), ("Add", ["x", "b"], "z"), ("Relu", ["z"], "y"))
    found = run(source, np.ones((2, 3), np.float32), 2, layers=True)
    np.testing.assert_array_equal(found.layers["w"], [[3, 4], [3, 4]])


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_a_fixed_batch_is_filled_up(number, small_graph):
    source = small_graph(("MatMul", ["data", "w"], "x"), ("Reshape", ["x", "two"], "y"), shape=(2, 3))
    pixels = np.arange(3 * number, dtype=np.float32).reshape(number, 3)
    outputs = run(source, pixels, 2, layers=True)
    np.testing.assert_array_equal(outputs.embeddings, pixels @ np.ones((3, 2), np.float32))
    np.testing.assert_array_equal(outputs.layers["w"], outputs.embeddings)


def test_an_enormous_fixed_batch_is_refused(small_graph):
    source = small_graph(("MatMul", ["data", "w"], "y"), shape=(10**6, 3))
    with pytest.raises(PfiqError, match=r"has a fixed batch of 1000000 faces, more than 64; export it with a smaller"):
        run(source, np.ones((2, 3), np.float32), 2)


def test_embeddings_have_two_axes(small_graph):
    source = small_graph(("MatMul", ["data", "w"], "y"), shape=(1, 4, 3))
    with pytest.raises(PfiqError, match=rf"^{source.path}: its outputs have the shape \(4, 2\) per face, but "):
        run(source, np.ones((2, 4, 3), np.float32), 8)


@pytest.mark.parametrize(("operation", "reason"), [("Unheard", "Unheard"), ("Concat", "axis")])
def test_what_onnx_runtime_cannot_run(operation, reason, small_graph):
    source = small_graph(("MatMul", ["data", "w"], "x"), (operation, ["x"], "y"))
    with pytest.raises(PfiqError, match=rf"^{source.path}: ONNX Runtime cannot run it \(.*{reason}.*\); ") as caught:
        run(source, np.ones((2, 3), np.float32), 2)
    assert "\n" not in str(caught.value)
