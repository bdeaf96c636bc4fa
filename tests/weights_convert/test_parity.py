"""Conversions compared with their sources: every architecture with all its names, and two published networks."""

import argparse
import dataclasses
import re

import jax
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from safetensors.numpy import save_file

from pfiq_jax import load_recognizer
from tests.weights_convert import mxnet_files, spellings
from tests.weights_convert.exports import export, quantise_weights
from tests.weights_convert.keras_files import write_keras
from weights_convert.cli import main
from weights_convert.convert import convert
from weights_convert.mappings import choose
from weights_convert.readers import read
from weights_convert.verify import differences, embeddings, relative_error, run_source

pytestmark = pytest.mark.parity
TOLERANCE = 1e-5
HALF_TOLERANCE = 2e-3  # where ONNX Runtime rounds the output of each layer to float16
BUNDLE_TOLERANCE = 2e-3  # its large kernels are float16
DIM = 64


@pytest.fixture(scope="module")
def images(faces):
    return np.stack(list(faces.values())[::20])


@pytest.fixture(scope="module")
def large_images(images):
    """The same images in FaceNet's size."""
    return np.stack([np.asarray(Image.fromarray(image).resize((160, 160))) for image in images])


@pytest.fixture(scope="module")
def build(torch, randomize):
    """The torch network of a conversion's name, with random parameters."""
    from weights_convert.torch_networks.adaface import TorchAdaFace
    from weights_convert.torch_networks.facenet import TorchInceptionResNetV1
    from weights_convert.torch_networks.iresnet import TorchIResNet

    builders = {
        "iresnet": lambda depth: TorchIResNet(depth, DIM, 1e-5),
        "magface_iresnet": lambda depth: TorchIResNet(depth, DIM, 2e-5),
        "cr_fiqa_iresnet": lambda depth: TorchIResNet(depth, DIM, 1e-5, quality_head=True),
        "adaface_ir": lambda depth: TorchAdaFace(100 if depth == 101 else depth, DIM, 1e-5),
        "adaface_ir_se": lambda depth: TorchAdaFace(depth, DIM, 1e-5, squeeze_excitation=True),
        "ir": lambda depth: TorchAdaFace(depth, DIM, 1e-5, mid_norm=False),
        "ir_se": lambda depth: TorchAdaFace(depth, DIM, 1e-5, squeeze_excitation=True, mid_norm=False),
        "facenet": lambda _: TorchInceptionResNetV1(DIM, 1e-3),
    }

    def build(name: str):
        family, depth = re.fullmatch(r"(.*?)(\d*)", name).groups()
        return randomize(builders[family](int(depth or 0)), seed=0)

    return build


def run(model, name, images):
    """A torch network's embeddings, with the preprocessing of its authors."""
    import torch

    pixels = torch.tensor(images.transpose(0, 3, 1, 2), dtype=torch.float32)
    if name.startswith(("magface", "adaface")):
        pixels = pixels.flip(1)
    if name.startswith("magface"):
        pixels = pixels / 255
    elif name in ("facenet", "mxnet"):
        pixels = (pixels - 127.5) / 128
    else:
        pixels = (pixels / 255 - 0.5) / 0.5
    with torch.inference_mode():
        return model(pixels)


def checkpoint(state, name):
    """A state dict in a checkpoint like those that the network's authors publish."""
    import torch

    classifier = torch.zeros(DIM, 10)
    if name.startswith("magface"):
        state = {f"features.module.{key}": tensor for key, tensor in state.items()}
        return {"epoch": 25, "arch": "iresnet100", "state_dict": {**state, "fc.weight": classifier}}
    if name.startswith("adaface"):
        state = {f"model.{key}": tensor for key, tensor in state.items()}
        options = argparse.Namespace(arch="ir_101", head="adaface")
        return {"state_dict": {**state, "head.kernel": classifier}, "hyper_parameters": options, "callbacks": {}}
    if name == "facenet":
        return {**state, "logits.weight": classifier.T, "logits.bias": torch.zeros(10)}
    return state


def check(source, recognizer, expected, images, tolerance=TOLERANCE):
    """Compares the embeddings with torch's, and every layer with the source's runtime."""
    assert relative_error(expected, np.asarray(recognizer.embed(images))) < tolerance
    found = differences(source, recognizer, images)
    beyond = [difference for difference in found if not difference.error < tolerance]
    assert not beyond
    return found


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("iresnet18", ".safetensors"),
        ("iresnet34", ".pth"),
        ("iresnet50", ".pt"),
        ("iresnet100", ".ckpt"),
        ("magface_iresnet18", ".pth"),
        ("cr_fiqa_iresnet18", ".pth"),
        ("adaface_ir18", ".ckpt"),
        ("adaface_ir50", ".pt"),
        ("adaface_ir101", ".ckpt"),
        ("adaface_ir_se50", ".ckpt"),
        ("ir_se50", ".pth"),
        ("ir50", ".pth"),
        ("facenet", ".pt"),
    ],
)
def test_torch_checkpoints_layer_by_layer(name, suffix, build, torch, images, large_images, tmp_path):
    model = build(name)
    path = tmp_path / f"a{suffix}"
    if suffix == ".safetensors":
        save_file({key: tensor.numpy() for key, tensor in model.state_dict().items()}, path)
    else:
        torch.save(checkpoint(model.state_dict(), name), path)
    images = large_images if name == "facenet" else images
    expected = run(model, name, images)
    source = read(path)
    recognizer = convert(source)
    assert recognizer.provenance.network == name
    found = check(source, recognizer, expected.numpy(), images)
    targets = {part.target for part in choose(source).mapping.parts(recognizer.network)}
    without_norm = {target for target in targets if target.endswith("conv1") and name in ("ir50", "ir_se50")}
    assert targets - {difference.target for difference in found} == {"head", *without_norm}
    if hasattr(model, "qs"):
        learned = recognizer.network.learned_quality(recognizer.parameters, recognizer.embed(images))
        with torch.inference_mode():
            np.testing.assert_allclose(learned, model.qs(expected)[:, 0], rtol=TOLERANCE, atol=TOLERANCE)


def test_magface_differs_from_a_plain_iresnet_only_in_preprocessing_and_epsilon(build, torch, images, tmp_path):
    model = build("iresnet18")
    torch.save(model.state_dict(), tmp_path / "a.pt")
    recognizer = convert(tmp_path / "a.pt", network="magface_iresnet18", epsilon=1e-5)
    expected = run(model, "magface_iresnet18", images)
    assert relative_error(expected.numpy(), np.asarray(recognizer.embed(images))) < TOLERANCE
    wrong_epsilon = convert(tmp_path / "a.pt", network="magface_iresnet18", epsilon=1e-3)
    assert relative_error(expected.numpy(), np.asarray(wrong_epsilon.embed(images))) > 1e-3


def shortcut_first(block, x):
    """``Block.forward`` in another order."""
    shortcut = x if block.downsample is None else block.downsample(x)
    return shortcut + block.bn3(block.conv2(block.prelu(block.bn2(block.conv1(block.bn1(x))))))


@pytest.mark.parametrize(
    ("name", "exporter", "options", "network"),
    [
        ("iresnet18", "legacy", {}, None),
        ("iresnet18", "legacy", {"unfolded": True}, None),
        ("iresnet18", "legacy", {"shortcut_first": True}, None),
        ("iresnet18", "dynamo", {"external_data": True}, None),
        ("magface_iresnet18", "legacy", {}, "magface_iresnet18"),
        ("adaface_ir18", "legacy", {}, "adaface_ir18"),
        ("adaface_ir_se18", "legacy", {}, None),
        ("adaface_ir_se18", "dynamo", {}, None),
        ("ir_se50", "legacy", {}, None),
        ("facenet", "legacy", {}, None),
    ],
)
def test_onnx_exports_layer_by_layer(
    name, exporter, options, network, build, torch, onnxruntime, images, large_images, tmp_path, monkeypatch
):
    from weights_convert.torch_networks.iresnet import Block

    options = dict(options)
    folded = not options.pop("unfolded", False)
    if not folded:
        options |= {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE}
    if options.pop("shortcut_first", False):
        monkeypatch.setattr(Block, "forward", shortcut_first)
    model = build(name)
    images = large_images if name == "facenet" else images
    source = read(export(model, tmp_path / "a.onnx", exporter, side=images.shape[1], **options))
    recognizer = convert(source, network=network)
    provenance = recognizer.provenance
    assert provenance.network == name
    assert recognizer.folded_batch_norms is folded
    assert bool(provenance.companion_sha256) is ("external_data" in options)
    check(source, recognizer, run(model, name, images).numpy(), images)


def test_onnx_in_mxnets_spelling(build, onnx, onnxruntime, torch, images, tmp_path):
    model = build("magface_iresnet18")
    unfolded = {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE}
    proto = onnx.load(export(model, tmp_path / "a.onnx", "legacy", side=112, **unfolded))
    spelled = {ours: "_".join(theirs) for ours, theirs in spellings.names(model, "mxnet").items()}
    for tensor in proto.graph.initializer:
        tensor.name = spelled[tensor.name]
    for node in proto.graph.node:
        node.input[:] = [spelled.get(name, name) for name in node.input]
    onnx.save(proto, tmp_path / "b.onnx")
    source = read(tmp_path / "b.onnx")
    recognizer = convert(source)
    assert recognizer.network.epsilon == 2e-5
    check(source, recognizer, run(model, "mxnet", images).numpy(), images)


@pytest.mark.parametrize(("kind", "tolerance"), [("float16", HALF_TOLERANCE), ("int8 weights", TOLERANCE)])
def test_narrow_onnx_files_match_their_runtime(kind, tolerance, build, onnxruntime, images, tmp_path):
    model = build("iresnet18")
    path = export(model.half() if kind == "float16" else model, tmp_path / "a.onnx", "legacy", side=112)
    source = read(path if kind == "float16" else quantise_weights(path))
    recognizer = convert(source)
    expected = run_source(source, recognizer, images)[1].embeddings
    check(source, recognizer, expected, images, tolerance)


@pytest.fixture(scope="module")
def of_2018(build, torch):
    """A network as MXNet trained it: the last BatchNorm's scale is fixed to 1."""
    model = build("magface_iresnet18")  # whose epsilon is MXNet's
    torch.nn.init.ones_(model.features.weight)
    return model


def test_mxnet(of_2018, images, tmp_path):
    arrays = spellings.mxnet_arrays(of_2018)
    arrays["fc1_gamma"] = np.linspace(2, 3, DIM, dtype=np.float32)  # not used, because the graph fixes it
    nodes = tuple(spellings.symbol_nodes((2, 2, 2, 2), DIM))
    source = read(mxnet_files.write(tmp_path / "model-0000.params", nodes=nodes, arrays=arrays))
    recognizer = convert(source)
    provenance = recognizer.provenance
    assert provenance.network == "iresnet18"
    assert provenance.assumed == ()
    assert provenance.companion == "model-0000-symbol.json"
    assert recognizer.dropout_rate == 0.4
    check(source, recognizer, run(of_2018, "mxnet", images).numpy(), images)


@pytest.mark.parametrize(("framework", "suffix"), [("mmdnn", ".npy"), ("keras", ".h5")])
def test_keras(framework, suffix, of_2018, h5py, images, tmp_path):
    path = tmp_path / f"a{suffix}"
    layers = spellings.channels_last(of_2018, framework)
    if framework == "keras":
        write_keras(h5py, path, layers)
    else:
        np.save(path, layers)
    recognizer = convert(path)
    assert recognizer.provenance.network == "iresnet18"
    assert recognizer.network.epsilon == 2e-5
    assert relative_error(run(of_2018, "mxnet", images).numpy(), np.asarray(recognizer.embed(images))) < TOLERANCE


def test_mobilefacenet_y1_layer_by_layer(torch, data, images):
    source = read(data / "weights" / "mobilefacenet_y1" / "model-0000.params")
    recognizer = convert(source)
    assert recognizer.provenance.network == "mobilefacenet"
    expected = run_source(source, recognizer, images)[1].embeddings
    check(source, recognizer, expected, images)


def test_sface_on_every_face(onnxruntime, sface_source, faces, recognizer):
    images = np.stack(list(faces.values()))
    converted = convert(sface_source)
    expected = run_source(sface_source, converted, images)[1].embeddings
    assert relative_error(expected, embeddings(converted, images)) < TOLERANCE
    assert relative_error(expected, embeddings(recognizer, images)) < BUNDLE_TOLERANCE
    check(sface_source, converted, expected[::20], images[::20])


def test_bundle_is_what_the_command_writes(onnxruntime, sface_onnx, tmp_path):
    output = tmp_path / "sface.safetensors"
    result = CliRunner().invoke(main, ["convert", str(sface_onnx), str(output), "--dtype", "float16", "--verify"])
    assert result.exit_code == 0, result.output
    bundle = load_recognizer()
    written = load_recognizer(output)
    jax.tree.map(np.testing.assert_array_equal, written.parameters, bundle.parameters)
    # the last digit of what was verified depends on the machine
    assert dataclasses.replace(written.provenance, verified=bundle.provenance.verified) == bundle.provenance
    assert written.provenance.verified
    for name in ("network", "preprocessing", "dropout_rate", "dropout_granularity", "storage_dtype"):
        assert getattr(written, name) == getattr(bundle, name)
