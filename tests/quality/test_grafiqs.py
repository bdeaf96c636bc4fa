"""GraFIQs compared with torch's autograd, and its documented properties."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import PfiqError, Recognizer, SFace, grafiqs
from weights_convert.convert import convert

PLACES = ("image", 1, 2, 3, 4)


def in_torch(torch, network, image):
    """The published score, lower is better, at the image and at the four layers."""
    pixels = torch.tensor(np.float64(image).transpose(2, 0, 1)[None])
    inputs = ((pixels / 255 - 0.5) / 0.5).requires_grad_()
    terms = []

    def compare(norm, arguments):
        (maps,) = arguments
        for given, running in (
            (maps.mean((0, 2, 3)), norm.running_mean),
            (maps.var((0, 2, 3), unbiased=False), norm.running_var),
        ):
            terms.append(torch.nn.functional.mse_loss(given, running))

    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(compare) for norm in norms]
    _, *layers, _, _ = network.steps(inputs)
    for hook in hooks:
        hook.remove()
    gradients = torch.autograd.grad(sum(terms) / len(norms), [inputs, *layers])
    return [float(gradient.abs().sum()) for gradient in gradients]


@pytest.mark.parity
def test_equals_torch_at_the_image_and_the_four_layers(torch, random_iresnet, faces, tmp_path):
    """In float64 there: of two float32 programs, neither is right where a unit lies within rounding of a kink."""
    network = random_iresnet(18).requires_grad_(False)
    torch.save(network.state_dict(), tmp_path / "a.pt")
    images = np.stack(list(faces.values())[::12])
    expected = np.array([in_torch(torch, network.double(), image) for image in images])
    recognizer = convert(tmp_path / "a.pt")
    score = jax.jit(lambda recognizer, images: [grafiqs(recognizer, images, block=place) for place in PLACES])
    np.testing.assert_allclose(-np.stack(score(recognizer, images), 1), expected, rtol=1e-4)


@pytest.mark.slow
def test_an_image_scores_the_same_in_any_batch_and_with_a_forward(recognizer, faces):
    images = np.stack(list(faces.values())[:2])
    score = jax.jit(grafiqs)
    alone = np.array([score(recognizer, image) for image in images])
    np.testing.assert_allclose(score(recognizer, recognizer.forward(images)), alone, rtol=1e-4)


def test_spoiled_faces_score_lower(recognizer, spoiled):
    face, worse = spoiled
    score = jax.jit(grafiqs)
    assert score(recognizer, worse) < score(recognizer, face) < 0


@pytest.mark.slow
def test_the_gradient_of_the_score_is_finite(recognizer, faces):
    image = faces["skimage/astronaut"].astype(np.float32)
    gradient = jax.jit(jax.grad(grafiqs, 1))(recognizer, image)
    assert jnp.isfinite(gradient).all()
    assert jnp.abs(gradient).max() > 0


def test_refuses_what_shows_no_statistics_and_unknown_blocks(recognizer):
    image = np.zeros((112, 112, 3), np.uint8)
    own = Recognizer.from_functions(lambda _, images: images[:, ::16, ::16], lambda _, features: features[:, 0, 0], ())
    with pytest.raises(PfiqError, match="has no BatchNorms that are known"):
        grafiqs(own, image)
    folded = Recognizer((), SFace(), folded_batch_norms=True)
    with pytest.raises(PfiqError, match="has no BatchNorm statistics"):
        grafiqs(folded, image)
    with pytest.raises(PfiqError, match="choose one of 'image', 1, 2, 3, 4"):  # unwrapped from the tests' type checks
        inspect.unwrap(grafiqs)(recognizer, image, block=5)
