"""Conversions beside their sources, run by torch and ONNX Runtime."""

import dataclasses
import sys
from importlib import resources

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner
from flax import nnx
from safetensors.numpy import save_file

from pfiq_jax import ARCFACE_TORCH, IResNet, PfiqError
from weights_convert.cli import main
from weights_convert.convert import convert
from weights_convert.verify import embeddings, relative_error, sample_images, source_embeddings, verify

pytestmark = pytest.mark.parity
STEPS = ("stem", "stage 1", "stage 2", "stage 3", "stage 4", "bn2", "embedding")


def steps_of(recognizer, images):
    """What the stem, each stage, the head's first BatchNorm and the whole give, as TorchIResNet.steps does."""
    graph, _ = nnx.split(nnx.eval_shape(lambda: recognizer.network.build_trunk(nnx.Rngs(0))))
    trunk = nnx.merge(graph, recognizer.parameters["trunk"])
    x = trunk.stem(recognizer.preprocessing(jnp.asarray(images, jnp.float32)))
    yield x
    for stage in trunk.stages:
        for block in stage:
            x = block(x)
        yield x
    yield recognizer.units_and_projection(x)[0]
    yield recognizer.head(x)


@pytest.mark.parametrize(
    "depth, suffix", [(18, ".safetensors"), (18, ".pt"), (34, ".pth"), (50, ".safetensors"), (100, ".ckpt")]
)
def test_iresnet_matches_torch_stage_by_stage(depth, suffix, torch, random_iresnet, faces, tmp_path):
    model = random_iresnet(depth)
    path = tmp_path / f"backbone{suffix}"
    if suffix == ".safetensors":
        save_file({name: tensor.numpy() for name, tensor in model.state_dict().items()}, path)
    else:
        torch.save(model.state_dict(), path)
    images = np.stack(list(faces.values())[::20])
    recognizer = convert(path)
    assert recognizer.network == IResNet(depth)
    assert recognizer.preprocessing == ARCFACE_TORCH
    with torch.inference_mode():
        pixels = torch.tensor(images.transpose(0, 3, 1, 2), dtype=torch.float32)
        expected = [step.numpy() for step in model.steps((pixels / 255 - 0.5) / 0.5)]
    for name, theirs, ours in zip(STEPS, expected, steps_of(recognizer, images), strict=True):
        theirs = theirs.transpose(0, 2, 3, 1) if theirs.ndim == 4 else theirs
        assert relative_error(theirs, np.asarray(ours)) < 1e-5, name


def test_epsilon_is_kept_as_configured(torch, random_iresnet, tmp_path):
    model = random_iresnet(18, dim=8, epsilon=2e-2)
    torch.save(model.state_dict(), tmp_path / "magface.pt")
    recognizer = convert(tmp_path / "magface.pt", epsilon=2e-2)
    image = sample_images()[:1]
    with torch.inference_mode():
        expected = model((torch.tensor(image.transpose(0, 3, 1, 2)) / 255 - 0.5) / 0.5).numpy()
    assert relative_error(expected, embeddings(recognizer, image)) < 1e-5
    assert relative_error(expected, embeddings(convert(tmp_path / "magface.pt"), image)) > 1e-3


def test_sface_matches_onnx_runtime_on_every_face(onnxruntime, sface_source, faces, recognizer):
    images = np.stack(list(faces.values()))
    converted = convert(sface_source)
    _, expected = source_embeddings(sface_source, converted, images)
    assert relative_error(expected, embeddings(converted, images)) < 1e-5
    assert relative_error(expected, embeddings(recognizer, images)) < 2e-3


def test_bundle_is_what_the_command_writes(onnxruntime, sface_onnx, tmp_path):
    output = tmp_path / "sface.safetensors"
    result = CliRunner().invoke(main, ["convert", str(sface_onnx), str(output), "--dtype", "float16", "--verify"])
    assert result.exit_code == 0, result.output
    bundle = resources.files("pfiq_jax") / "bundled/sface.safetensors"
    assert output.read_bytes() == bundle.read_bytes()


def test_verify_names_the_missing_extra(sface_source, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PfiqError, match=r"needs onnxruntime; pip install 'pfiq-jax\[verify\]'"):
        verify(sface_source, convert(sface_source), sample_images())


def test_verify_finds_a_wrong_weight(onnxruntime, sface_source):
    recognizer = convert(sface_source)
    assert "ONNX Runtime" in dict(verify(sface_source, recognizer, sample_images()).provenance)["verified"]
    parameters = jax.tree.map(lambda leaf: leaf, recognizer.parameters)
    parameters["trunk"]["layers"][3]["prelu"]["slope"] *= 1.1
    with pytest.raises(PfiqError, match="its conversion differs from it by"):
        verify(sface_source, dataclasses.replace(recognizer, parameters=parameters), sample_images())
