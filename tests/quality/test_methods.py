"""Every method by its name: what its record says, and that it drives pixel maps."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import QUALITY_METHODS, Recognizer, pixel_quality, ser_fiq_closed_form
from pfiq_jax.learned_head import LearnedHead
from pfiq_jax.quality import embeddings_and_scores, supported_methods

METHODS = [name for name in QUALITY_METHODS if name not in ("cr_fiqa", "learned")]  # which need heads of their own


@pytest.mark.parametrize("name", [*METHODS, "learned"])
def test_every_method_drives_pixel_quality(recognizer, name):
    recognizer = dataclasses.replace(recognizer, learned_head=LearnedHead(np.ones(1026), np.ones(1), "none"))
    images = jax.ShapeDtypeStruct((2, 112, 112, 3), np.uint8)
    result = jax.eval_shape(functools.partial(pixel_quality, quality=QUALITY_METHODS[name].compute), recognizer, images)
    assert result.quality.shape == (2,)
    assert result.map.shape == (2, 112, 112)


@pytest.mark.slow
def test_methods_that_run_the_trunk_again_score_the_same_beside_a_map(recognizer, faces):
    image = faces["skimage/astronaut"]
    methods = {name: QUALITY_METHODS[name].compute for name in ("prefiqs", "grafiqs")}

    @jax.jit
    def both(recognizer, image):
        explained = {name: pixel_quality(recognizer, image, quality=method) for name, method in methods.items()}
        return explained, {name: method(recognizer, image) for name, method in methods.items()}

    explained, scores = both(recognizer, image)
    for name, score in scores.items():
        np.testing.assert_allclose(explained[name].quality, score, rtol=1e-5)
        assert jnp.isfinite(explained[name].map).all()


def test_records_say_what_a_recogniser_lacks(recognizer, facenet):
    assert "quality head" in QUALITY_METHODS["cr_fiqa"].missing(recognizer)
    assert "learned head" in QUALITY_METHODS["learned"].missing(recognizer)
    assert supported_methods(recognizer) == tuple(METHODS)
    assert supported_methods(facenet, ["cr_fiqa", "magface"]) == ("magface",)
    folded = dataclasses.replace(recognizer, folded_batch_norms=True)
    assert not any(name.startswith("grafiqs") for name in supported_methods(folded))


def test_every_other_method_has_a_scale_of_its_own_or_names_a_method():
    for record in QUALITY_METHODS.values():
        assert record.scale_of is None or record.scale_of in QUALITY_METHODS


@pytest.mark.slow
def test_passes_are_those_of_the_compiled_program(recognizer):
    """Of the methods that take few; a forward or backward pass is as many operations as the trunk's forward."""
    image = jax.ShapeDtypeStruct((1, 112, 112, 3), np.float32)

    def operations(function):
        return jax.jit(function).lower(recognizer, image).compile().cost_analysis()["flops"]

    trunk = operations(Recognizer.embed)
    for name in ("relative_norm", "ser_fiq_closed_form", "magface", "prefiqs"):
        record = QUALITY_METHODS[name]
        assert record.passes == pytest.approx(operations(record.compute) / trunk, abs=0.5), name


def test_a_forward_pass_takes_the_place_of_images(recognizer, faces):
    images = np.stack(list(faces.values())[:2])
    seen = recognizer.forward(images)
    assert recognizer.forward(seen) is seen
    for name in ("relative_norm", "ser_fiq_closed_form", "magface"):
        compute = QUALITY_METHODS[name].compute
        np.testing.assert_allclose(compute(recognizer, seen), compute(recognizer, images), rtol=1e-6)
        one = jax.tree.map(lambda leaf: leaf[1], seen)
        np.testing.assert_allclose(compute(recognizer, one), compute(recognizer, images)[1], rtol=1e-6)


@pytest.mark.slow
def test_one_trunk_serves_score_gradient_and_map(recognizer):
    """Inside one ``jax.jit`` XLA merges the forward pass of GraFIQs with the one that the features come from."""
    image = jax.ShapeDtypeStruct((1, 112, 112, 3), np.float32)

    def operations(function):
        return jax.jit(function).lower(recognizer, image).compile().cost_analysis()["flops"]

    apart = operations(pixel_quality) + operations(QUALITY_METHODS["grafiqs_block4"].compute)
    together = operations(functools.partial(pixel_quality, quality=QUALITY_METHODS["grafiqs_block4"].compute))
    assert together < 0.8 * apart


def test_one_pass_gives_the_embedding_and_the_scores(recognizer):
    images = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    embeddings, scores = embeddings_and_scores(recognizer, images, methods=("ser_fiq_closed_form", "magface"))
    wanted = recognizer.embed(images)
    np.testing.assert_allclose(embeddings, wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(scores["magface"], np.linalg.norm(wanted, axis=1), rtol=1e-5)
    np.testing.assert_allclose(scores["ser_fiq_closed_form"], ser_fiq_closed_form(recognizer, images), rtol=1e-5)
