"""The recogniser as a pytree, its stages, and custom networks."""

import dataclasses
import pickle

import cloudpickle
import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pfiq_jax
from pfiq_jax import IResNet, Preprocessing, Recognizer, SFace
from pfiq_jax.quality.ser_fiq_closed_form import squared_gains
from pfiq_jax.recognizers.forward import per_face
from pfiq_jax.recognizers.weights_file import named_leaves

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
    np.testing.assert_allclose(recognizer.embed(images), recognizer.head(features), rtol=1e-4, atol=1e-5)
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


@pytest.mark.parametrize(("depth", "parameters"), [(18, 24_025_600), (50, 43_590_848), (100, 65_156_160)])
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
    rate = {"dropout_rate": 0.05}  # the expansion is one in small noise, of many dimensions
    closed = pfiq_jax.ser_fiq_closed_form(own, images, **rate)
    masks = pfiq_jax.ser_fiq(jax.random.key(0), own, images, num_masks=2000, **rate)
    np.testing.assert_allclose(closed, masks, atol=0.01)
    result = jax.jit(pfiq_jax.pixel_quality)(own, images)
    assert result.map.shape == (3, 8, 8)
    assert float(jnp.abs(result.gradient).max()) > 0


def test_squared_gains_of_a_library_head_equal_the_jacobians(recognizer):
    """The closed form of the head against the generic one, which custom networks use."""
    units = jnp.zeros((1, 7, 7, 1024))
    some = (slice(None), slice(3, 4), slice(2, 3), slice(0, 1024, 100))

    def project(part):
        return recognizer.project(units.at[some].set(part))[0]

    jacobian = jax.jacrev(project)(units[some])
    expected = jnp.sum(jnp.square(jacobian), 0)[0]
    np.testing.assert_allclose(squared_gains(recognizer, units)[some[1:]], expected, rtol=1e-4)


def test_published_programs_take_a_head_of_ones_own_as_it_is(own):
    image = np.random.default_rng(0).uniform(0, 255, (8, 8, 3))
    published = pfiq_jax.pixel_quality(own, image, regressor="published")
    assert jnp.isfinite(published.gradient).all()
    plq = pfiq_jax.ser_fiq(jax.random.key(0), own, image, variant=pfiq_jax.SER_FIQ_VARIANTS["plq"])
    assert 0 <= plq <= 1


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_scores_do_not_depend_on_the_scale_of_the_embedding(own, scale):
    image = np.random.default_rng(0).uniform(0, 255, (8, 8, 3)).astype(np.float32)

    def scaled_head(parameters, features):
        return own_head(parameters, features) * scale

    other = Recognizer.from_functions(own_trunk, scaled_head, own.parameters, preprocessing=own.preprocessing)

    def score(recognizer, image):
        return pfiq_jax.ser_fiq_closed_form(recognizer, image, dropout_rate=0.05)

    np.testing.assert_allclose(score(other, image), score(own, image), rtol=1e-5)
    assert jnp.isfinite(jax.grad(score, 1)(other, image)).all()


def test_repr_is_one_line_and_equal_networks_share_their_graph(recognizer):
    assert len(repr(recognizer)) < 300
    assert "9,667," in repr(recognizer)
    assert SFace()._abstract("trunk") is SFace()._abstract("trunk")


def test_three_functions_put_dropout_behind_a_pooling(own):
    def trunk(parameters, images):
        return jnp.tanh(images.reshape(-1, 4, 2, 4, 2, 3).mean((2, 4)) / 100 @ parameters["widen"])

    def units(parameters, features):
        return features.mean((1, 2))

    def project(parameters, units):
        return units @ parameters["dense"]

    keys = jax.random.split(jax.random.key(0))
    parameters = {"widen": jax.random.normal(keys[0], (3, 200)), "dense": jax.random.normal(keys[1], (200, 64))}
    pooled = Recognizer.from_functions(trunk, project, parameters, units=units, preprocessing=own.preprocessing)
    images = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 3))
    seen = pooled.forward(images)
    assert seen.units.shape == (3, 200)
    assert seen.features.shape == (3, 4, 4, 200)
    masks = pfiq_jax.ser_fiq(jax.random.key(0), pooled, images, num_masks=2000, dropout_rate=0.05)
    np.testing.assert_allclose(pfiq_jax.ser_fiq_closed_form(pooled, images, dropout_rate=0.05), masks, atol=0.005)


def test_descriptions_do_not_recompile_and_do_not_hinder_averages(recognizer, faces):
    traces = []

    @jax.jit
    def embed(recognizer, images):
        traces.append(1)
        return recognizer.embed(images)

    image = next(iter(faces.values()))
    described = dataclasses.replace(
        recognizer, provenance=pfiq_jax.Provenance(source="other.pt"), storage_dtype="bfloat16"
    )
    np.testing.assert_array_equal(embed(recognizer, image), embed(described, image))
    assert len(traces) == 1
    mean = jax.tree.map(lambda a, b: (a + b) / 2, recognizer, described)
    np.testing.assert_allclose(mean.embed(image), recognizer.embed(image), rtol=1e-6)
    assert mean.provenance == recognizer.provenance


def test_parameters_survive_tools_that_know_only_strings(recognizer, faces):
    flat = flax.traverse_util.flatten_dict(recognizer.parameters, sep="/")
    restored = flax.traverse_util.unflatten_dict(dict(sorted(flat.items())), sep="/")
    other = dataclasses.replace(recognizer, parameters=restored)
    image = next(iter(faces.values()))
    np.testing.assert_array_equal(other.embed(image), recognizer.embed(image))


def test_another_structure_is_named_by_its_first_path(recognizer, faces):
    trunk = {"layers": {str(int(key)): child for key, child in recognizer.parameters["trunk"]["layers"].items()}}
    broken = dataclasses.replace(recognizer, parameters={**recognizer.parameters, "trunk": trunk})
    with pytest.raises(pfiq_jax.PfiqError, match=r"layers\.0\..* where layers\.00\."):
        broken.embed(next(iter(faces.values())))


@pytest.mark.parametrize("library", [pickle, cloudpickle], ids=["pickle", "cloudpickle"])
def test_pickles(recognizer, library):
    again = pickle.loads(library.dumps(recognizer))
    assert jax.tree.structure(again) == jax.tree.structure(recognizer)
    jax.tree.map(np.testing.assert_array_equal, again, recognizer)
    assert again.provenance == recognizer.provenance


def test_trainable_leaves_out_statistics_and_calibrations(recognizer):
    mask = recognizer.trainable()
    names = [name for name, is_weight in named_leaves(mask.parameters) if not is_weight]
    assert names
    assert all(name.endswith((".mean", ".var")) for name in names)
    assert not any(jax.tree.leaves(mask.calibrations))
    frozen = optax.masked(optax.set_to_zero(), jax.tree.map(lambda is_weight: not is_weight, mask))
    ones = jax.tree.map(jnp.ones_like, recognizer)
    updates, _ = frozen.update(ones, frozen.init(ones))
    assert float(updates.parameters["trunk"]["layers"]["00"]["norm"]["var"].sum()) == 0
    assert float(updates.parameters["trunk"]["layers"]["00"]["conv"]["kernel"].min()) == 1


def test_parameters_that_are_one_array_are_trainable(small):
    assert small.trainable().parameters is True


def test_trained_statistics_are_not_written(recognizer, tmp_path):
    broken = jax.tree.map(lambda leaf: -leaf, recognizer)
    with pytest.raises(pfiq_jax.PfiqError, match=r"negative variances.*Recognizer\.trainable"):
        broken.save(tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


def test_a_float_array_may_be_closed_over(recognizer, faces):
    image = jnp.asarray(next(iter(faces.values())), jnp.float32)
    expected = pfiq_jax.face_quality(recognizer, image)
    np.testing.assert_allclose(jax.jit(lambda r: pfiq_jax.face_quality(r, image))(recognizer), expected, rtol=1e-5)
    dim = jnp.full_like(image, 0.5)
    with pytest.raises(pfiq_jax.PfiqError, match="scaled to 1"):
        jax.jit(lambda r: pfiq_jax.face_quality(r, dim))(recognizer)


def test_swapped_arguments_name_their_order(recognizer):
    score = per_face(lambda recognizer, images: images)  # with type checks, the tests would not get this far
    image = np.full((112, 112, 3), 128, np.uint8)
    with pytest.raises(pfiq_jax.PfiqError, match=r"recognizer: is of type ndarray; give \(recognizer, images\) in"):
        score(image, recognizer)
