"""All scores and maps on FaceNet's network, which is not 112x112 and pools."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import pfiq_jax
from pfiq_jax import InceptionResNetV1, Recognizer, load_recognizer, pixel_quality, ser_fiq, ser_fiq_closed_form


@pytest.fixture(scope="module")
def images():
    """The bundled face, and it in other light, so that these tests run without other data."""
    face = np.asarray(Image.fromarray(pfiq_jax.demo_face()).resize((160, 160)))
    return np.stack([face, face // 2])


@pytest.fixture(scope="module")
def seen(facenet, images):
    return facenet.forward(images)


def test_parameter_count_is_the_published_one():
    """That of facenet-pytorch's network without its classifier: trainable parameters, no running statistics."""
    flat, _ = jax.tree_util.tree_flatten_with_path(InceptionResNetV1().shapes())
    assert sum(leaf.size for path, leaf in flat if path[-1].key not in ("mean", "var")) == 23_482_624


def test_dropout_acts_on_the_means_of_the_features(facenet, seen):
    assert seen.features.shape == (2, 3, 3, 1792)
    np.testing.assert_allclose(seen.units, seen.features.mean((1, 2), keepdims=True), rtol=1e-5, atol=1e-6)
    assert facenet.project(seen.units).shape == (2, 512)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.6])
def test_closed_form_is_the_limit_of_many_masks(facenet, seen, rate):
    masks = ser_fiq(jax.random.key(0), facenet, seen, num_masks=2000, dropout_rate=rate)
    np.testing.assert_allclose(ser_fiq_closed_form(facenet, seen, dropout_rate=rate), masks, atol=3e-3)


def test_vmap(facenet, seen, images):
    mapped = jax.jit(jax.vmap(Recognizer.features, (None, 0)))(facenet, images)
    np.testing.assert_allclose(mapped, seen.features, rtol=1e-4, atol=1e-4 * float(seen.features.max()))


@pytest.mark.slow
@pytest.mark.parametrize("function", [ser_fiq_closed_form, functools.partial(ser_fiq, jax.random.key(0), num_masks=6)])
def test_gradients_of_scores_are_finite(function, facenet, seen):
    def total(recognizer, features):
        units = recognizer.network.units(recognizer.parameters, features)
        return jnp.sum(function(recognizer, seen._replace(units=units, embedding=recognizer.project(units))))

    gradients = jax.jit(jax.grad(total, (0, 1)))(facenet, seen.features)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    assert jnp.abs(gradients[1]).max() > 0


@pytest.mark.slow
def test_pixel_quality_and_its_gradients_are_finite(facenet, images):
    def total(recognizer, images):
        result = pixel_quality(recognizer, images, quality=ser_fiq_closed_form)
        return sum(map(jnp.sum, jax.tree.leaves(result))), result

    gradients, result = jax.jit(jax.grad(total, (0, 1), has_aux=True))(facenet, images[:1].astype(np.float32))
    assert result.map.shape == (1, 160, 160)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((gradients, result)))
    assert all(jnp.abs(gradient).max() > 0 for gradient in (gradients[1], result.gradient))


def test_lowers_for_cpu_cuda_and_tpu(facenet, images):
    exported = jax.export.export(jax.jit(pixel_quality), platforms=("cpu", "cuda", "tpu"))(facenet, images)
    assert exported.platforms == ("cpu", "cuda", "tpu")


def test_save_is_the_inverse_of_load(facenet, tmp_path):
    facenet.save(tmp_path / "facenet.safetensors")
    again = load_recognizer(tmp_path / "facenet.safetensors")
    assert jax.tree.structure(again) == jax.tree.structure(facenet)
    jax.tree.map(np.testing.assert_array_equal, again, facenet)


def test_trunk_in_bfloat16(facenet, seen, images):
    rounded = jax.jit(Recognizer.features)(facenet.with_precision("bfloat16"), images)
    assert rounded.dtype == jnp.bfloat16
    assert jnp.linalg.norm(rounded.astype(jnp.float32) - seen.features) < 0.1 * jnp.linalg.norm(seen.features)
