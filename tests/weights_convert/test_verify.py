"""Comparing a conversion with its source: which differences are found, named and tolerated."""

import dataclasses
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from pfiq_jax import PfiqError
from pfiq_jax.recognizers import ARCFACE_TORCH, Architecture, Recognizer
from pfiq_jax.recognizers.modules import list_key
from tests.weights_convert.exports import export
from weights_convert.convert import convert
from weights_convert.readers import read
from weights_convert.verify import (
    NUM_RANDOM_IMAGES,
    TOLERANCES,
    differences,
    embeddings,
    layer_outputs,
    relative_error,
    sample_images,
    verify,
)

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def backbone(torch, random_iresnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("backbone") / "backbone.pt"
    torch.save(random_iresnet(18, dim=8).state_dict(), path)
    return read(path)


def with_wrong_slopes(recognizer, stage, block):
    parameters = jax.tree.map(lambda leaf: leaf, recognizer.parameters)
    parameters["trunk"]["stages"][list_key(stage)][list_key(block)]["prelu"]["slope"] *= 1.5
    return dataclasses.replace(recognizer, parameters=parameters)


def test_a_wrong_weight_is_found_and_the_first_layers_that_differ_are_named(backbone):
    recognizer = convert(backbone)
    images = sample_images((112, 112))
    line = verify(backbone, recognizer, images).provenance.verified
    assert line.startswith(f"largest relative error of {len(images)} embeddings against torch: ")
    with pytest.raises(
        PfiqError, match=r"the first layers that differ are layer2\.1\.prelu\.weight -> trunk\.stages"
    ) as e:
        verify(backbone, with_wrong_slopes(recognizer, 1, 1), images)
    assert str(e.value).count(" -> ") == 3


def test_layers_are_compared_in_the_order_in_which_they_run(backbone):
    recognizer = with_wrong_slopes(convert(backbone), 3, 1)
    found = differences(backbone, recognizer, sample_images((112, 112))[:1])
    beyond = [each.target for each in found if each.error > TOLERANCES["float32"]]
    last = ["prelu", "conv2", "norm3"]
    assert beyond == [*(f"trunk.stages.03.01.{name}" for name in last), "head.input_norm", "head.output_norm"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_dtypes_are_within_their_tolerance_and_not_within_float32s(dtype, backbone):
    recognizer = convert(backbone, dtype=dtype)
    images = sample_images((112, 112))[:2]
    verify(backbone, recognizer, images)
    with pytest.raises(PfiqError, match=r"more than the tolerance of 0\.0001"):
        verify(backbone, dataclasses.replace(recognizer, storage_dtype="float32"), images)


@pytest.fixture(scope="module")
def cr_fiqa(torch, randomize):
    """A network with CR-FIQA's quality head."""
    from weights_convert.torch_networks.iresnet import TorchIResNet

    return randomize(TorchIResNet(18, 8, 1e-5, quality_head=True), seed=0)


def with_another_quality_head(recognizer):
    parameters = jax.tree.map(lambda leaf: leaf, recognizer.parameters)
    head = parameters["quality_head"]
    head["kernel"], head["bias"] = -3 * head["kernel"], head["bias"] + 7
    return dataclasses.replace(recognizer, parameters=parameters)


def test_a_wrong_quality_head_is_found(torch, cr_fiqa, tmp_path):
    """Its weights times -3 plus 7 were "verified", since only embeddings were compared."""
    torch.save(cr_fiqa.state_dict(), tmp_path / "a.pt")
    source = read(tmp_path / "a.pt")
    recognizer = convert(source)
    images = sample_images((112, 112))[-2:]
    line = verify(source, recognizer, images).provenance.verified
    assert line.startswith("largest relative error of 2 embeddings and qualities against torch: ")
    with pytest.raises(PfiqError, match=r"the qualities of .* differ are qs\.weight -> quality_head by "):
        verify(source, with_another_quality_head(recognizer), images)


OUTPUTS = {
    "score first": lambda embedding, score, torch: (score, embedding),
    "embedding first": lambda embedding, score, torch: (embedding, score),
    "score only": lambda embedding, score, torch: score,
    "flat score": lambda embedding, score, torch: (score[:, 0], embedding),
}


@pytest.mark.parametrize("order", OUTPUTS)
def test_the_outputs_of_cr_fiqas_exports_are_found_in_any_order(order, torch, onnxruntime, cr_fiqa, tmp_path):
    class Exported(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = cr_fiqa

        def forward(self, x):
            embedding = self.model(x)
            return OUTPUTS[order](embedding, self.model.qs(embedding), torch)

    source = read(export(Exported().eval(), tmp_path / "a.onnx", "legacy", side=112))
    recognizer = convert(source, network="cr_fiqa_iresnet18")
    images = sample_images((112, 112))[-2:]
    compared = "qualities" if order == "score only" else "embeddings and qualities"
    assert f" of 2 {compared} against ONNX Runtime: " in verify(source, recognizer, images).provenance.verified
    with pytest.raises(PfiqError, match="the qualities of its conversion have a relative error of "):
        verify(source, with_another_quality_head(recognizer), images)


@pytest.mark.parametrize("norm_first", [True, False])
def test_the_embedding_of_adafaces_exports_is_found_in_any_order(
    norm_first, torch, onnxruntime, random_iresnet, tmp_path
):
    class Exported(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = random_iresnet(18, dim=8)

        def forward(self, x):
            embedding = self.model(x)
            norm = embedding.norm(dim=1, keepdim=True)
            return (norm, embedding / norm) if norm_first else (embedding / norm, norm)

    source = read(export(Exported().eval(), tmp_path / "a.onnx", "legacy", side=112))
    line = verify(source, convert(source), sample_images((112, 112))[-2:]).provenance.verified
    assert line.startswith("largest relative error of 2 normalised embeddings against ONNX Runtime: ")


def test_the_tolerance_follows_the_dtype_that_the_source_computes_in(torch, onnxruntime, random_iresnet, tmp_path):
    """A float16 graph rounds the output of every layer; float16 weights in a torch file are run in float32."""
    model = random_iresnet(18, dim=8)
    images = sample_images((112, 112))[-2:]
    half = read(export(random_iresnet(18, dim=8).half(), tmp_path / "a.onnx", "legacy", side=112))
    recognizer = convert(half)
    verify(half, recognizer, images)
    with pytest.raises(PfiqError, match=r"more than the tolerance of 0\.005"):
        verify(half, with_wrong_slopes(recognizer, 1, 1), images)
    torch.save(model.half().state_dict(), tmp_path / "a.pt")
    source = read(tmp_path / "a.pt")
    with pytest.raises(PfiqError, match=r"more than the tolerance of 0\.0001"):
        verify(source, with_wrong_slopes(convert(source), 1, 1), images)


def test_what_is_not_finite_is_beyond_any_tolerance(backbone):
    recognizer = convert(backbone)
    parameters = jax.tree.map(lambda leaf: leaf * np.float32(np.nan), recognizer.parameters)
    with pytest.raises(PfiqError, match=r"a relative error of nan.* conv1\.weight -> trunk\.stem\.conv by nan"):
        verify(backbone, dataclasses.replace(recognizer, parameters=parameters), sample_images((112, 112))[:1])


def test_relative_error_is_the_largest_and_of_equal_zeros_zero():
    ones, zeros = np.ones((2, 3, 4), np.float32), np.zeros((2, 3, 4), np.float32)
    assert relative_error(zeros, zeros) == 0
    assert relative_error(ones, zeros) == 1
    assert relative_error(zeros, ones) > 1e30
    assert relative_error(ones, np.stack([ones[0], 1.5 * ones[0]])) == 0.5
    assert np.isnan(relative_error(ones, ones * np.nan))


def test_preprocessing_in_the_source_graph_is_not_applied_twice(onnxruntime, sface_source):
    recognizer = convert(sface_source)
    images = sample_images((112, 112))[:2]
    assert "ONNX Runtime" in verify(sface_source, recognizer, images).provenance.verified
    wrong = dataclasses.replace(recognizer, preprocessing=ARCFACE_TORCH)
    with pytest.raises(PfiqError, match=r"conv_1_conv2d_weight -> trunk\.layers\.00\.conv by "):
        verify(sface_source, wrong, images)


@pytest.mark.parametrize("package", ["onnxruntime", "torch"])
def test_the_missing_extra_is_named(package, backbone, sface_source, monkeypatch):
    source = sface_source if package == "onnxruntime" else backbone
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PfiqError, match=rf"requires {package}; install it with `pip install 'pfiq-jax\[verify\]'"):
        verify(source, convert(source), sample_images((112, 112)))


def test_conversions_run_at_full_precision(backbone, monkeypatch):
    recognizer, used = convert(backbone), []
    embed, layers = Recognizer.embed, Architecture.layers

    def recorded(function):
        def record(*arguments):
            used.append(jax.config.jax_default_matmul_precision)
            return function(*arguments)

        return record

    monkeypatch.setattr(Recognizer, "embed", recorded(embed))
    monkeypatch.setattr(Architecture, "layers", recorded(layers))
    images = sample_images((112, 112))[:1]
    embeddings(recognizer, images)
    layer_outputs(recognizer, images)
    assert used == ["highest", "highest"]


def test_sample_images(tmp_path):
    images = sample_images((112, 112))
    assert (images.shape, images.dtype) == ((NUM_RANDOM_IMAGES + 1, 112, 112, 3), np.uint8)
    np.testing.assert_array_equal(images, sample_images((112, 112)))
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images)
    (tmp_path / "below").mkdir()
    Image.fromarray(np.full((50, 60, 3), 7, np.uint8)).save(tmp_path / "below" / "a.png")
    larger = sample_images((160, 160), tmp_path)
    assert larger.shape == (NUM_RANDOM_IMAGES + 2, 160, 160, 3)
    assert (larger[-1] == 7).all()
