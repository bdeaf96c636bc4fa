"""The recogniser as a pytree, its two functions, and networks of one's own."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pfiq_jax
from pfiq_jax import IResNet, Preprocessing, Recognizer, SFace

FACE = "astronaut"


def test_bundled_network_is_the_default(recognizer):
    assert recognizer.network == SFace()
    assert recognizer.dropout_rate == pytest.approx(0.4)
    assert recognizer.preprocessing.channel_order == "RGB"
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(recognizer))


def test_embed_is_the_head_of_the_features(recognizer, faces):
    images = np.stack(list(faces.values())[:3])
    features = recognizer.features(images)
    assert features.shape == (3, 7, 7, 1024)
    np.testing.assert_array_equal(recognizer.embed(images), recognizer.head(features))
    assert recognizer.embed(images).shape == (3, 128)


def test_one_image_or_a_batch_integer_or_float(recognizer, faces):
    images = np.stack(list(faces.values())[:2])
    batch = recognizer.embed(images)
    np.testing.assert_allclose(recognizer.embed(images[1]), batch[1], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(recognizer.embed(images.astype(np.float64)), batch)
    np.testing.assert_array_equal(recognizer.embed(images.astype(np.int32)), batch)


def test_same_weights_compile_once(recognizer, faces):
    traces = []

    @jax.jit
    def embed(recognizer, images):
        traces.append(images.shape)
        return recognizer.embed(images)

    images = np.stack(list(faces.values())[:2])
    embed(recognizer, images)
    embed(pfiq_jax.load_recognizer(), images[::-1])
    assert len(traces) == 1


def test_channel_order_is_the_networks_own(recognizer, faces):
    image = next(iter(faces.values()))
    bgr = dataclasses.replace(recognizer.preprocessing, channel_order="BGR")
    swapped = dataclasses.replace(recognizer, preprocessing=bgr)
    np.testing.assert_array_equal(swapped.embed(image[..., ::-1]), recognizer.embed(image))


def test_trunk_in_bfloat16_head_in_float32(recognizer, faces):
    image = next(iter(faces.values()))
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), recognizer)
    assert half.features(image).dtype == jnp.bfloat16
    embedding = half.embed(image)
    assert embedding.dtype == jnp.float32
    reference = recognizer.embed(image)
    assert jnp.linalg.norm(embedding - reference) < 0.1 * jnp.linalg.norm(reference)


@pytest.mark.parametrize("depth, parameters", [(18, 24_025_600), (50, 43_590_848), (100, 65_156_160)])
def test_parameter_counts_are_the_published_ones(depth, parameters):
    """Counts of insightface's arcface_torch networks: trainable parameters, without running statistics."""
    shapes = jax.eval_shape(IResNet(depth).initialize, jax.random.key(0))
    flat, _ = jax.tree_util.tree_flatten_with_path(shapes)
    assert sum(leaf.size for path, leaf in flat if path[-1].key not in ("mean", "var")) == parameters


def own_trunk(parameters, images):
    return images.reshape(-1, 4, 2, 4, 2, 3).mean((2, 4)) * parameters["gain"]


def own_head(parameters, features):
    return features.reshape(len(features), -1) @ parameters["dense"] + 1


@pytest.fixture
def own():
    parameters = {"gain": jnp.float32(0.01), "dense": jax.random.normal(jax.random.key(0), (48, 16))}
    return Recognizer.from_functions(own_trunk, own_head, parameters, preprocessing=Preprocessing(size=(8, 8)))


def test_network_of_ones_own(own):
    images = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 3))
    rate = {"dropout_rate": 0.05, "scaled": False}  # the expansion is one in small noise, of many dimensions
    closed = pfiq_jax.ser_fiq_closed_form(own, images, **rate)
    masks = pfiq_jax.ser_fiq(jax.random.key(0), own, images, num_masks=2000, **rate)
    np.testing.assert_allclose(closed, masks, atol=0.01)
    result = jax.jit(pfiq_jax.pixel_quality)(own, images)
    assert result.map.shape == (3, 8, 8)
    assert float(jnp.abs(result.gradient).max()) > 0


def test_squared_gains_of_a_library_head_equal_the_jacobians(recognizer):
    """The head's own figure against the generic one, which a network of one's own uses."""
    network, parameters = recognizer.network, recognizer.parameters
    units = jnp.zeros((1, 7, 7, 1024))
    some = (slice(None), slice(3, 4), slice(2, 3), slice(0, 1024, 100))

    def project(part):
        return network.head(parameters, units, lambda _: units.at[some].set(part))[0]

    jacobian = jax.jacrev(project)(units[some])
    expected = jnp.sum(jnp.square(jacobian), 0)[0]
    np.testing.assert_allclose(network.squared_gains(parameters, units)[some[1:]], expected, rtol=1e-4)


def test_published_programs_take_a_head_of_ones_own_as_it_is(own):
    image = np.random.default_rng(0).uniform(0, 255, (8, 8, 3))
    published = pfiq_jax.pixel_quality(own, image, regressor="published")
    assert jnp.isfinite(published.gradient).all()
    plq = pfiq_jax.ser_fiq(jax.random.key(0), own, image, **pfiq_jax.SER_FIQ_VARIANTS["plq"])
    assert 0 <= plq <= 1


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_scores_do_not_depend_on_the_scale_of_the_embedding(own, scale):
    image = np.random.default_rng(0).uniform(0, 255, (8, 8, 3)).astype(np.float32)

    def scaled_head(parameters, features):
        return own_head(parameters, features) * scale

    other = Recognizer.from_functions(own_trunk, scaled_head, own.parameters, preprocessing=own.preprocessing)

    def score(recognizer, image):
        return pfiq_jax.ser_fiq_closed_form(recognizer, image, dropout_rate=0.05, scaled=False)

    np.testing.assert_allclose(score(other, image), score(own, image), rtol=1e-5)
    assert jnp.isfinite(jax.grad(score, 1)(other, image)).all()


def test_repr_is_one_line_and_equal_networks_share_their_graph(recognizer):
    assert len(repr(recognizer)) < 300 and "9,667," in repr(recognizer)
    assert SFace()._abstract("trunk") is SFace()._abstract("trunk")


def test_known_features_replace_the_trunk(recognizer, faces):
    images = np.stack(list(faces.values())[:2])
    known = recognizer.with_features(recognizer.features(images))
    np.testing.assert_array_equal(known.embed(np.zeros_like(images)), recognizer.embed(images))
    one = recognizer.with_features(recognizer.features(images[0]))
    assert pfiq_jax.ser_fiq_closed_form(one, images[0]).shape == ()
