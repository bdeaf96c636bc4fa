"""FaceQAN compared with the published procedure in torch, and its documented properties."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pfiq_jax import PfiqError, Recognizer, faceqan

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def own():
    """A recogniser that is cheap and not linear, so that noise moves it."""
    generator = np.random.default_rng(0)
    parameters = {
        "kernel": generator.normal(size=(3, 16)).astype(np.float32),
        "dense": generator.normal(size=(7 * 7 * 16, 8)).astype(np.float32),
    }
    return Recognizer.from_functions(
        lambda parameters, images: jnp.sin(images[:, ::16, ::16] / 8 @ parameters["kernel"]),
        lambda parameters, features: features.reshape(len(features), -1) @ parameters["dense"],
        parameters,
    )


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (2, 112, 112, 3), np.uint8)


@pytest.mark.parity
def test_equals_the_published_procedure_in_torch(torch, own, images):
    kernel, dense = (torch.tensor(own.parameters[name]).double() for name in ("kernel", "dense"))

    def embed(pixels):  # (batch, 112, 112, 3), 0 to 1
        return torch.sin(pixels[:, ::16, ::16] * 255 / 8 @ kernel).flatten(1) @ dense

    def cosine(left, right):
        return torch.nn.functional.cosine_similarity(left, right)

    noise = [
        np.asarray(jax.random.uniform(jax.random.fold_in(KEY, start), (112, 112, 3), minval=-1, maxval=1))
        for start in range(10)
    ]
    for image in images:
        face = torch.tensor(image / 255)[None]
        copies = torch.clamp(face + 0.001 * torch.tensor(np.float64(noise)), -1, 1)
        seen = []
        for _ in range(5):
            copies = copies.detach().requires_grad_()
            similarity = cosine(embed(face), embed(copies))
            seen.append(similarity.detach().numpy())
            (gradient,) = torch.autograd.grad((1 - similarity).mean(), copies)
            copies = torch.clamp(copies + 0.001 * gradient.sign(), -1, 1)
        mirrored = float(cosine(embed(face), embed(face.flip(2))))
        expected = ((1 + np.mean(seen)) / 2 * np.clip(1 - np.std(seen), 0, 1) * mirrored) ** 5
        np.testing.assert_allclose(jax.jit(faceqan)(KEY, own, image), expected, rtol=1e-3)


def test_an_image_scores_the_same_in_any_batch_and_from_a_forward(own, images):
    scores = jax.jit(faceqan)(KEY, own, images)
    np.testing.assert_allclose([faceqan(KEY, own, image) for image in images], scores, rtol=1e-4)
    np.testing.assert_allclose(faceqan(KEY, own, own.forward(images)), scores, rtol=1e-4)
    assert not np.allclose(faceqan(jax.random.key(1), own, images), scores, rtol=1e-6)


@pytest.mark.slow
def test_blurred_faces_score_lower(recognizer, faces):
    face = faces["skimage/astronaut"].astype(np.float32)
    score = jax.jit(functools.partial(faceqan, iterations=2, num_starts=2))
    blurred, whole = score(KEY, recognizer, np.stack([gaussian_filter(face, (3, 3, 0)), face]))
    assert blurred < whole < 1


def test_differentiable_also_where_all_copies_are_alike(own, images):
    for recognizer in (own, jax.tree.map(jnp.zeros_like, own)):
        total = jax.grad(lambda images, recognizer=recognizer: jnp.sum(faceqan(KEY, recognizer, images)))
        assert jnp.isfinite(total(jnp.asarray(images, jnp.float32))).all()


def test_refuses_no_noise(own, images):
    with pytest.raises(PfiqError, match="num_starts is 0; give a whole number of at least 1"):
        faceqan(KEY, own, images, num_starts=0)
