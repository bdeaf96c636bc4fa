"""MagFace and CR-FIQA: the embedding's length, and the output of a trained quality head."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import (
    IResNet,
    PfiqError,
    Recognizer,
    cr_fiqa,
    load_recognizer,
    magface,
    pixel_quality,
    unified_quality_score,
)

# Of the ten published features, as the MagFace repository prints them.
MAGNITUDES = (21.78, 22.16, 24.09, 24.40, 25.90, 27.11, 27.41, 28.22, 28.73, 30.25)
UNIFIED_SCORES = (38, 42, 60, 63, 75, 83, 85, 88, 90, 94)


@pytest.fixture(scope="module")
def with_quality_head(random_parameters) -> Recognizer:
    network = IResNet(18, dim=8, quality_head=True)
    return Recognizer(random_parameters(network), network)


def test_magnitudes_of_the_published_features(data):
    """The network looks them up: the red value of an image is the index of its features."""
    lines = (data / "golden" / "magface_toy_features.list").read_text().splitlines()
    published = jnp.asarray([[float(number) for number in line.split()[1:]] for line in lines], jnp.float32)
    own = Recognizer.from_functions(
        lambda parameters, images: jax.nn.one_hot(images[:, :1, :1, 0].astype(jnp.int32), 10),
        lambda parameters, features: features[:, 0, 0] @ parameters,
        published,
    )
    images = np.zeros((10, 112, 112, 3), np.uint8) + np.arange(10, dtype=np.uint8)[:, None, None, None]
    magnitudes = np.sort(magface(own, images))
    np.testing.assert_allclose(magnitudes, MAGNITUDES, atol=0.005)
    np.testing.assert_array_equal(unified_quality_score(magnitudes), UNIFIED_SCORES)


def test_unified_scores_lie_between_0_and_100():
    np.testing.assert_array_equal(unified_quality_score(np.array([0.0, 23.0, 1000.0])), [0, 50, 100])


def test_cr_fiqa_is_the_dense_layer_on_the_embedding(with_quality_head, faces):
    image = faces["skimage/astronaut"]
    layer = with_quality_head.parameters["quality_head"]
    expected = with_quality_head.embed(image) @ layer["kernel"][:, 0] + layer["bias"][0]
    np.testing.assert_allclose(cr_fiqa(with_quality_head, image), expected, rtol=1e-5)
    assert cr_fiqa(with_quality_head, np.stack([image, image])).shape == (2,)


def test_the_quality_head_is_saved(with_quality_head, tmp_path):
    with_quality_head.save(tmp_path / "a.safetensors")
    image = np.full((112, 112, 3), 90, np.uint8)
    assert cr_fiqa(load_recognizer(tmp_path / "a.safetensors"), image) == cr_fiqa(with_quality_head, image)


@pytest.mark.slow
def test_both_drive_pixel_quality(with_quality_head, faces):
    image = faces["skimage/astronaut"]
    for method in (cr_fiqa, magface):
        result = pixel_quality(with_quality_head, image, quality=method)
        np.testing.assert_allclose(result.quality, method(with_quality_head, image), rtol=1e-5)
        assert jnp.isfinite(result.gradient).all()


def test_a_recognizer_without_quality_head_is_told_so(recognizer):
    with pytest.raises(PfiqError, match="has no quality head"):
        cr_fiqa(recognizer, np.zeros((112, 112, 3), np.uint8))
