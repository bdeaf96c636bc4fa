"""Pruning as torch has it, and PreFIQs' score of what it does to the embedding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import PfiqError, Recognizer, prefiqs
from pfiq_jax.quality import pruned
from weights_convert.convert import convert


@pytest.mark.parity
def test_equals_torchs_global_pruning(torch, random_iresnet, faces, tmp_path):
    from torch.nn.utils import prune

    network = random_iresnet(18).requires_grad_(False)
    torch.save(network.state_dict(), tmp_path / "a.pt")
    images = np.stack(list(faces.values())[::12])
    inputs = (torch.tensor(np.float32(images).transpose(0, 3, 1, 2)) / 255 - 0.5) / 0.5
    whole = torch.nn.functional.normalize(network(inputs))
    layers = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)]
    prune.global_unstructured([(layer, "weight") for layer in layers], prune.L1Unstructured, amount=0.4)
    part = torch.nn.functional.normalize(network(inputs))

    recognizer = convert(tmp_path / "a.pt")
    kernels = [leaf for leaf in jax.tree.leaves(pruned(recognizer).parameters) if leaf.ndim >= 2]
    gone = sum(int(jnp.sum(kernel == 0)) for kernel in kernels)
    masked = sum(int((1 - layer.weight_mask).sum()) for layer in layers)
    assert masked <= gone < masked + 10  # of equal ones torch keeps some
    expected = 1 - (whole - part).norm(dim=1) / 2
    np.testing.assert_allclose(jax.jit(prefiqs)(recognizer, images), expected, atol=1e-5)


@pytest.fixture
def own():
    """A linear recogniser whose bias, of one axis, is smaller than all of its kernels."""
    generator = np.random.default_rng(0)
    shapes = {"kernel": (3, 4), "dense": (196, 8)}
    parameters = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    parameters["bias"] = np.full(4, 1e-6, np.float32)
    return Recognizer.from_functions(
        lambda parameters, images: images[:, ::16, ::16] @ parameters["kernel"] + parameters["bias"][None, None, None],
        lambda parameters, features: features.reshape(len(features), -1) @ parameters["dense"],
        parameters,
    )


@pytest.fixture
def images():
    return np.random.default_rng(1).integers(0, 256, (2, 112, 112, 3), np.uint8)


@pytest.mark.parametrize("amount", [0.0001, 0.1, 0.4, 0.99])
def test_the_smallest_of_all_kernels_go(own, amount):
    before, after = own.parameters, pruned(own, amount=amount).parameters
    np.testing.assert_array_equal(after["bias"], before["bias"])
    flat = np.concatenate([np.ravel(before[name]) for name in ("kernel", "dense")])
    kept = np.concatenate([np.ravel(after[name]) for name in ("kernel", "dense")])
    count = round(amount * flat.size)
    expected = flat.copy()
    expected[np.argsort(abs(flat))[:count]] = 0
    np.testing.assert_array_equal(kept, expected)


def test_score_by_hand_and_from_a_forward(own, images):
    whole, part = (np.asarray(each.embed(images), np.float64) for each in (own, pruned(own)))
    whole, part = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (whole, part))
    expected = 1 - np.linalg.norm(whole - part, axis=1) / 2
    np.testing.assert_allclose(prefiqs(own, images), expected, rtol=1e-5)
    np.testing.assert_allclose(prefiqs(own, own.forward(images)), expected, rtol=1e-5)
    np.testing.assert_allclose(prefiqs(own, images[0]), expected[0], rtol=1e-5)


def test_differentiable_also_where_nothing_moves(own, images):
    gradient = jax.grad(lambda images: jnp.sum(prefiqs(own, images)))(jnp.asarray(images, jnp.float32))
    assert jnp.isfinite(gradient).all()
    assert jnp.abs(gradient).max() > 0
    still = jax.grad(lambda image: prefiqs(own, image, amount=1e-4))(jnp.asarray(images[0], jnp.float32))
    assert jnp.isfinite(still).all()  # a length of rounding errors, or 0


def test_refuses_what_has_no_kernels(images):
    bare = Recognizer.from_functions(lambda _, images: images, lambda _, features: features[:, 0, 0], ())
    with pytest.raises(PfiqError, match="no kernels to prune"):
        prefiqs(bare, images)


@pytest.mark.parametrize("amount", [0.0, 1.0, -0.5])
def test_refuses_amounts_that_prune_nothing_or_all(own, amount):
    with pytest.raises(PfiqError, match=r"amount is .* between 0 and 1"):
        pruned(own, amount=amount)
