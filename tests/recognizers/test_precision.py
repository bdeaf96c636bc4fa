"""The trunk in bfloat16."""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import pfiq_jax
from pfiq_jax import ARCFACE_TORCH, InceptionResNetV1, IResNet, MobileFaceNet, PfiqError, Recognizer, SFace
from pfiq_jax.recognizers.batch_norm import BatchNorm


@pytest.fixture(scope="module")
def half(recognizer):
    return recognizer.with_precision("bfloat16")


@pytest.fixture(scope="module")
def images(faces):
    return np.stack(list(faces.values())[:4])


def cosines(left, right):
    return np.sum(left * right, -1) / np.linalg.norm(left, axis=-1) / np.linalg.norm(right, axis=-1)


def test_embeddings_and_scores_are_close(recognizer, half, images):
    seen, reference = half.forward(images), recognizer.forward(images)
    assert seen.features.dtype == jnp.bfloat16
    assert seen.units.dtype == seen.embedding.dtype == jnp.float32
    turned = 1 - cosines(seen.embedding, reference.embedding)
    assert 1e-6 < turned.max() < 2e-3
    qualities = pfiq_jax.face_quality(half, seen), pfiq_jax.face_quality(recognizer, reference)
    np.testing.assert_allclose(*qualities, rtol=0, atol=0.02)


@pytest.mark.slow
def test_maps_and_deficits_are_close(recognizer, half, images):
    found, expected = (pfiq_jax.pixel_quality(each, images) for each in (half, recognizer))
    assert 0 < np.abs(found.map - expected.map).mean() < 0.02
    assert 0 < np.abs(found.deficit - expected.deficit).mean() < 0.05


def test_float32_is_the_default_and_comes_back(recognizer, half):
    assert recognizer.precision == "float32"
    assert jax.tree.structure(half.with_precision("float32")) == jax.tree.structure(recognizer)
    assert jax.tree.structure(half) != jax.tree.structure(recognizer)


def test_save_writes_the_same_bytes(recognizer, half, tmp_path):
    recognizer.save(tmp_path / "float32.safetensors")
    half.save(tmp_path / "bfloat16.safetensors")
    assert (tmp_path / "bfloat16.safetensors").read_bytes() == (tmp_path / "float32.safetensors").read_bytes()


@pytest.mark.parametrize(
    "network", [SFace(), MobileFaceNet(), InceptionResNetV1(), IResNet(18, squeeze_excitation=True)]
)
def test_all_layers_of_the_trunk_run_in_bfloat16_and_all_of_the_head_in_float32(network):
    side = 160 if isinstance(network, InceptionResNetV1) else 112
    preprocessing = dataclasses.replace(ARCFACE_TORCH, size=(side, side))
    recognizer = Recognizer(network.shapes(), network, preprocessing).with_precision("bfloat16")

    def outputs(recognizer, images):
        layers = network.layers(recognizer.parameters_to_run, preprocessing(images))
        return {name: layer.output for name, layer in layers.items()}

    found = jax.eval_shape(outputs, recognizer, jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32))
    dtypes = {
        part: {str(each.dtype) for name, each in found.items() if name.startswith(part)} for part in network.parts
    }
    assert dtypes["trunk"] == {"bfloat16"}
    assert dtypes["head"] == {"float32"}


def test_batch_norm_rounds_its_result_alone():
    """In bfloat16 1.01 is 1.0078, by which the difference to 1 would be 22% too small."""
    norm = BatchNorm(1, 0.0, nnx.Rngs(0))
    norm.mean[...] = jnp.array([1.01])
    norm.var[...] = jnp.array([1e-4])
    found = norm(jnp.ones((1, 1), jnp.bfloat16))
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.float32(found), -1, rtol=2e-3)


def test_gradients_by_parameters_have_their_dtype(half, images):
    def loss(recognizer):
        return jnp.sum(jnp.square(recognizer.embed(images[:1])))

    assert {leaf.dtype for leaf in jax.tree.leaves(jax.eval_shape(jax.grad(loss), half))} == {jnp.dtype("float32")}


def test_vmap_over_recognisers(half, images):
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), half)
    found = jax.eval_shape(jax.vmap(Recognizer.embed, (0, None)), two, images)
    assert (found.shape, found.dtype) == ((2, 4, 128), jnp.float32)


def test_a_custom_network_is_refused(small):
    assert small.with_precision("float32").precision == "float32"
    with pytest.raises(PfiqError, match=r"precision: .* custom network; cast the parameters in its trunk\.$"):
        small.with_precision("bfloat16")


def test_another_precision_is_refused(recognizer):
    with pytest.raises(PfiqError, match="precision is 'float16'; choose one of 'float32', 'bfloat16'"):
        inspect.unwrap(Recognizer.with_precision)(recognizer, "float16")  # from the tests' type checks
