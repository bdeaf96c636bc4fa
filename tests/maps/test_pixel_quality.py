"""Pixel-level quality against torch's autograd of the published procedure, and what its repair promises."""

import dataclasses
import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr

from pfiq_jax import (
    MAP_METHODS,
    PUBLISHED_SER_FIQ,
    SER_FIQ_VARIANTS,
    PfiqError,
    face_quality,
    pixel_quality,
    quality_map,
    relative_norm,
    ser_fiq,
    ser_fiq_closed_form,
)
from pfiq_jax.maps.regressors import REGRESSORS
from weights_convert.convert import convert

NAMES = ["skimage/astronaut", "pterhoer_xfiq/cap", "pterhoer_xfiq/mask", "amva/example_image"]


@pytest.fixture(scope="module")
def images(faces):
    return np.stack([faces[name] for name in NAMES])


def published_in_torch(torch, units, fc, image, quality):
    """Gradient (112, 112, 3) of N = sum_k (Q / sum(e)) e_k, as the paper's own code has it."""
    pixels = torch.tensor(np.float32(image)).permute(2, 0, 1)[None].requires_grad_()
    embedding = torch.nn.functional.normalize(fc(units(pixels)))[0]
    weight = quality / embedding.detach().sum()
    node = (weight * embedding).sum()
    (gradient,) = torch.autograd.grad(node, pixels)
    return gradient[0].permute(1, 2, 0).numpy()


@pytest.mark.parity
def test_published_gradient_on_sface_equals_torch(torch, recognizer, faces):
    from benchmarks.torch_sface import TorchSFace

    network = TorchSFace(recognizer)
    check_against_torch(torch, recognizer, faces, network.units, network.fc)


@pytest.mark.parity
def test_published_gradient_on_iresnet_equals_torch(torch, random_iresnet, faces, tmp_path):
    network = random_iresnet(18).requires_grad_(False)
    torch.save(network.state_dict(), tmp_path / "iresnet18.pt")

    def units(pixels):
        *_, units, _ = network.steps((pixels / 255 - 0.5) / 0.5)
        return units.flatten(1)

    check_against_torch(torch, convert(tmp_path / "iresnet18.pt"), faces, units, network.fc)


def check_against_torch(torch, recognizer, faces, units, fc):
    """Every gradient within 1e-2 and their median within 1e-4.

    Not every one within 1e-4: where a unit lies within rounding of a PReLU's kink, two float32 programs take different
    slopes, and one unit of the last layers is worth up to some thousandths of the gradient. By that torch in float32
    differs from itself in float64 too: by more than 1e-4 on two faces in five with SFace, at most by 2e-3.
    """
    score = functools.partial(ser_fiq, num_masks=20, variant=SER_FIQ_VARIANTS["plq"])
    explain = jax.jit(functools.partial(pixel_quality, regressor="published"))
    errors = []
    for image in list(faces.values())[::2]:
        quality = score(jax.random.key(0), recognizer, image)
        result = explain(recognizer, image, quality=quality)
        assert result.quality == quality
        gradient = published_in_torch(torch, units, fc, image, float(quality))
        errors.append(np.linalg.norm(result.gradient - gradient) / np.linalg.norm(gradient))
        expected = 1 - 1 / (1 + 10**7.5 * np.square(np.abs(result.gradient).mean(-1)))
        np.testing.assert_allclose(result.map, expected, atol=1e-6)
    assert np.median(errors) < 1e-4, errors
    assert max(errors) < 1e-2, errors


def test_half_point_of_the_published_map():
    np.testing.assert_allclose(quality_map(jnp.full((1, 1, 3), 10**-3.75)), 0.5, rtol=1e-5)


def test_map_takes_magnitudes_before_their_mean():
    assert float(quality_map(jnp.asarray([[[1.0, -1.0, 0.0]]]))[0, 0]) > 0.99


def test_the_shortest_regressor_returns_the_quality(recognizer, images):
    """The gradient of the log length is w / Q: w . y = Q, and no other weights with that property are shorter."""
    seen = recognizer.forward(images)
    weights = jax.grad(lambda y: REGRESSORS["least_norm"](recognizer, seen._replace(embedding=y)).sum())(seen.embedding)
    np.testing.assert_allclose(jnp.sum(weights * seen.embedding, -1), 1, rtol=1e-5)
    equal = jnp.sqrt(seen.embedding.shape[-1]) / jnp.abs(jnp.sum(seen.embedding, -1))
    assert (jnp.linalg.norm(weights, axis=1) < equal).all()


def test_default_gradient_is_quality_times_that_of_the_mean_embedding(recognizer, images):
    result = pixel_quality(recognizer, images[0])
    mean = jax.grad(lambda pixels: jnp.mean(recognizer.embed(pixels)))(np.float32(images[0]))
    expected = result.quality * jnp.sqrt(128) * mean
    np.testing.assert_allclose(result.gradient, expected, atol=1e-4 * float(jnp.abs(expected).max()))


@pytest.mark.parametrize(
    ("regressor", "score"), [("relative_norm", relative_norm), ("ser_fiq_closed_form", ser_fiq_closed_form)]
)
def test_scores_can_take_the_place_of_a_regressor(recognizer, images, regressor, score):
    image = np.float32(images[0])
    one = np.ones(1, np.float32)
    result = pixel_quality(recognizer, image, quality=one, regressor=regressor, saliency="magnitude")
    expected = jax.grad(lambda pixels: jnp.log(score(recognizer, pixels)))(image)
    np.testing.assert_allclose(result.gradient, expected, atol=1e-4 * float(jnp.abs(expected).max()))


def test_a_vanishing_score_keeps_the_order_of_the_pixels(recognizer, images):
    """As of a network without dropout on SER-FIQ's published scale, whose map underflowed."""
    good, bad = (pixel_quality(recognizer, images, quality=np.full(len(images), q)).map for q in (0.5, 1e-30))
    for first, second in zip(np.asarray(good), np.asarray(bad), strict=True):
        assert spearmanr(first.ravel(), second.ravel()).statistic > 0.9999
    np.testing.assert_array_less(bad, 0.01)


@pytest.mark.parametrize("name", ["plq", "least_norm"])
def test_maps_by_name_have_an_order_on_networks_that_score_zero(recognizer, images, name):
    collapsed = dataclasses.replace(recognizer, calibrations={}, dropout_rate=0.999)
    maps = np.asarray(MAP_METHODS[name].compute(collapsed, jnp.asarray(images)).map)
    assert (np.std(maps, axis=(1, 2)) > 0).all()


def test_without_a_scale_of_its_own_quality_does_not_dim_the_map(recognizer, images):
    """The published scale gives all faces of another network nearly 0."""
    alone = dataclasses.replace(recognizer, calibrations={})
    one = pixel_quality(alone, images[0], quality=np.ones(1, np.float32))
    np.testing.assert_allclose(pixel_quality(alone, images[0]).map, one.map, atol=1e-5)
    assert pixel_quality(recognizer, images[0]).map.mean() < one.map.mean()


@pytest.mark.slow
def test_maps_can_be_compared_where_the_published_ones_cannot(recognizer, faces):
    """Spread over good faces of one scene kind: the shortest's scale stays, the published one's is arbitrary."""
    images = np.stack([face for name, face in faces.items() if name.startswith(("face_recognition", "insightface"))])

    def spread(regressor):
        options = {"quality": 0.9 * np.ones(1, np.float32), "regressor": regressor, "saliency": "magnitude"}
        compute = jax.jit(functools.partial(pixel_quality, **options))
        typical = [np.median(np.abs(compute(recognizer, image).gradient)) for image in images]
        return np.std(np.log(typical))

    assert spread("least_norm") < 0.5 * spread("published")


def test_covered_faces_lose_quality_where_they_are_covered(recognizer, images):
    clean, mask = pixel_quality(recognizer, images[0]).map, pixel_quality(recognizer, images[2]).map
    lower = (slice(64, 104), slice(24, 88))  # mouth and chin, covered by the bandana
    eyes = (slice(40, 60), slice(24, 88))
    assert mask[lower].mean() < 0.6 * mask[eyes].mean()
    assert mask[lower].mean() < 0.6 * clean[lower].mean()


def test_covered_faces_have_a_deficit_where_they_are_covered(recognizer, images):
    found = pixel_quality(recognizer, images)
    clean, mask = found.deficit[0], found.deficit[2]
    lower = (slice(72, 100), slice(36, 76))  # mouth and chin, covered by the bandana
    assert jnp.median(mask[lower]) > 0.99
    assert jnp.median(clean[lower]) < 0.9
    assert ((found.deficit >= 0) & (found.deficit <= 1)).all()


def test_no_deficit_without_good_faces_and_for_other_maps(recognizer, images):
    unknown = dataclasses.replace(recognizer, good_faces=None)
    assert pixel_quality(unknown, images[0]).deficit is None
    assert pixel_quality(recognizer, images[0], regressor="published").deficit is None


@pytest.mark.slow
def test_quality_is_a_function_or_scores(recognizer, images):
    default = pixel_quality(recognizer, images)
    np.testing.assert_allclose(default.quality, face_quality(recognizer, images), atol=1e-4)
    given = pixel_quality(recognizer, images, quality=default.quality)
    np.testing.assert_allclose(given.map, default.map, atol=1e-5)
    sampled = functools.partial(ser_fiq, jax.random.key(0), variant=SER_FIQ_VARIANTS["plq"])
    np.testing.assert_allclose(
        pixel_quality(recognizer, images, quality=sampled).quality, sampled(recognizer, images), atol=1e-4
    )


def test_quality_by_name_is_the_face_quality_of_the_method(recognizer, images):
    face = images[:1]
    by_name = pixel_quality(recognizer, face, quality="magface")
    scores = face_quality(recognizer, face, method="magface")
    np.testing.assert_array_equal(by_name.map, pixel_quality(recognizer, face, quality=scores).map)
    with pytest.raises(PfiqError, match="nothing"):
        pixel_quality(recognizer, face, quality="nothing")


def test_trunk_runs_once(recognizer, images):
    """Counted in the compiled program: convolutions and products of the trunk's forward stand there once."""
    recognizer = dataclasses.replace(recognizer, good_faces=None)  # whose products are not the trunk's

    def products(function):
        return str(jax.make_jaxpr(function)(recognizer, images)).count("dot_general")

    forward = products(lambda recognizer, images: recognizer.features(images))
    scored = products(ser_fiq_closed_form)
    explained = products(pixel_quality)
    assert scored < forward + 5
    assert explained < 2 * forward + 10


def test_one_image_equals_its_place_in_a_batch(recognizer, images):
    batch = pixel_quality(recognizer, images)
    one = pixel_quality(recognizer, images[1])
    assert one.map.shape == (112, 112)
    assert one.gradient.shape == (112, 112, 3)
    assert one.quality.shape == ()
    np.testing.assert_allclose(one.map, batch.map[1], atol=1e-3)


@pytest.mark.slow
def test_map_and_deficit_are_differentiable(recognizer, images):
    for image in (np.float32(images[0]), np.zeros_like(images[0], np.float32)):
        for name in ("map", "deficit"):
            gradient = jax.grad(lambda x, name=name: getattr(pixel_quality(recognizer, x), name).mean())(image)
            assert jnp.isfinite(gradient).all(), name
            assert image.max() == 0 or jnp.abs(gradient).max() > 0, name


@pytest.mark.parametrize("regressor", ["published", "least_norm"])
def test_a_quality_function_sees_the_recogniser_as_it_is(recognizer, images, regressor):
    result = pixel_quality(recognizer, images, quality=ser_fiq_closed_form, regressor=regressor)
    np.testing.assert_allclose(result.quality, ser_fiq_closed_form(recognizer, images), atol=1e-4)


def test_map_stays_in_range_for_any_gradient():
    for size in (0.0, 1e-30, 1e16, 1e30):
        assert 0 <= float(quality_map(jnp.full((1, 1, 3), size))[0, 0]) <= 1


def test_bad_options_are_named(recognizer, images):
    with pytest.raises(PfiqError, match="quality has shape"):
        pixel_quality(recognizer, images, quality=np.ones(1, np.float32))
    with pytest.raises(PfiqError, match="regressor is 'plq'; choose one of"):
        inspect.unwrap(pixel_quality)(recognizer, images, regressor="plq")


def test_a_second_result_is_returned_as_in_jax_grad(recognizer, images):
    def scaled_and_raw(recognizer, seen):
        raw = ser_fiq_closed_form(recognizer, seen)
        return PUBLISHED_SER_FIQ.scale(raw), raw

    result, raw = pixel_quality(recognizer, images[0], quality=scaled_and_raw, has_aux=True)
    np.testing.assert_allclose(raw, ser_fiq_closed_form(recognizer, images[0]), rtol=1e-6)
    np.testing.assert_allclose(result.quality, PUBLISHED_SER_FIQ.scale(raw), rtol=1e-4)
    np.testing.assert_allclose(result.map, pixel_quality(recognizer, images[0], quality=result.quality).map, atol=1e-5)


def test_a_forward_takes_the_place_of_images(recognizer, images):
    from_images, from_forward = pixel_quality(recognizer, images), pixel_quality(recognizer, recognizer.forward(images))
    np.testing.assert_allclose(from_forward.map, from_images.map, atol=1e-4)
