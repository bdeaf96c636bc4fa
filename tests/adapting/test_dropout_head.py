"""Heads fitted to units that are made up, so that no trunk runs."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import Calibration, Forward, MobileFaceNet, PfiqError, Recognizer, load_recognizer, ser_fiq_closed_form
from pfiq_jax.adapting import fit_dropout_head
from pfiq_jax.adapting.dropout_head import _change, _products
from pfiq_jax.vectors import normalize

RATE = 0.5
HELD_OUT = 100


def forward_of(recognizer: Recognizer, units: np.ndarray) -> Forward:
    """A ``Forward`` of which only units and embedding are right."""
    count = len(units)
    images, features = np.zeros((count, 1, 1, 3), np.float32), np.zeros((count, 1, 1, 1), np.float32)
    return Forward(images, features, units, recognizer.project(jnp.asarray(units)))


@pytest.fixture(scope="module")
def network(random_parameters):
    """A head of 512 units with a random dense layer, bias and BatchNorm."""
    parameters = random_parameters(MobileFaceNet())
    head = parameters["head"]
    bias, mean = jax.random.normal(jax.random.key(1), (2, 128))
    head = {**head, "bias": bias, "output_norm": {**head["output_norm"], "mean": mean, "var": 1 + jnp.square(mean)}}
    calibration = Calibration.fit("relative_norm", np.linspace(0, 1, 101), reference="test")
    return Recognizer({**parameters, "head": head}, MobileFaceNet()).calibrated(calibration)


def units(count: int) -> np.ndarray:
    """Units whose variance differs between directions, as that of real ones, and one unit that is always 0."""
    generator = np.random.default_rng(0)
    shapes = generator.standard_normal((512, 512), np.float32) * np.geomspace(1, 0.01, 512, dtype=np.float32)[:, None]
    found = generator.standard_normal((count, 512), np.float32) @ shapes
    found[:, 7] = 0
    return found[:, None, None, :]


@pytest.mark.parametrize("count", [5, 12], ids=["fewer faces than units", "more faces than units"])
def test_fit_is_the_ridge_regression(count):
    generator = np.random.default_rng(0)
    seen, present = generator.standard_normal((count, 8)), generator.standard_normal((8, 3))
    odds, anchor = np.float32(0.25), np.float32(0.5)
    gram = seen.T @ seen / count
    expected = np.linalg.solve(gram + (odds + anchor) * np.eye(8), (gram + anchor * np.eye(8)) @ present)
    seen, present = jnp.asarray(seen, jnp.float32), jnp.asarray(present, jnp.float32)
    found = present + _change(seen, present, *_products(seen, present), jnp.asarray(odds), jnp.asarray(anchor))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_no_other_layer_has_a_lower_loss_under_masks():
    """The mean over all 2^4 masks, by its definition."""
    generator = np.random.default_rng(0)
    seen = jnp.asarray(generator.standard_normal((9, 4)), jnp.float32)
    seen = seen / jnp.sqrt(jnp.mean(jnp.square(seen), 0, keepdims=True))
    present = jnp.asarray(generator.standard_normal((4, 2)), jnp.float32)
    masks = jnp.asarray(list(np.ndindex(2, 2, 2, 2)), jnp.float32)[:, None] / (1 - RATE)

    def loss(layer):
        return jnp.mean(jnp.sum(jnp.square((masks * seen[None]) @ layer - (seen @ present)[None]), -1))

    best = present + _change(seen, present, *_products(seen, present), jnp.float32(RATE / (1 - RATE)), jnp.float32(0))
    assert jnp.abs(jax.grad(loss)(best)).max() < 1e-5
    assert jnp.abs(jax.grad(loss)(present)).max() > 0.1


@pytest.mark.parametrize("count", [500, 1000], ids=["fewer faces than units", "more faces than units"])
def test_head_withstands_more_and_keeps_its_embeddings(network, count):
    seen = forward_of(network, units(count))
    fitted = fit_dropout_head(network, seen, dropout_rate=RATE, cosine=0.99)
    after = forward_of(fitted, seen.units)
    cosines = jnp.sum(normalize(after.embedding) * normalize(seen.embedding), -1)
    assert 0.99 <= jnp.mean(cosines[-min(count // 5, 500) :]) < 0.995
    gain = ser_fiq_closed_form(fitted, after) - ser_fiq_closed_form(network, seen)
    assert jnp.mean(gain[-HELD_OUT:] > 0) > 0.95
    assert fitted.dropout_rate == RATE
    assert fitted.calibrations == {}
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), fitted.parameters, network.parameters)
    assert changed["head"].pop("kernel")
    assert not any(jax.tree.leaves(changed))


def test_fitted_head_is_saved_with_its_rate(network, tmp_path):
    fitted = fit_dropout_head(network, forward_of(network, units(120)), dropout_rate=0.3)
    fitted.save(tmp_path / "a.safetensors")
    again = load_recognizer(tmp_path / "a.safetensors")
    assert again.dropout_rate == pytest.approx(0.3)
    np.testing.assert_array_equal(again.parameters["head"]["kernel"], fitted.parameters["head"]["kernel"])


def test_images_and_their_forward_give_the_same(network, monkeypatch):
    """Of a network whose trunk takes no time."""
    monkeypatch.setattr(MobileFaceNet, "trunk", lambda self, parameters, images: images[:, ::16, ::16, :1] + shift)
    shift = jax.random.normal(jax.random.key(0), (1, 1, 1, 512))
    pooled = {**network.parameters["head"]["pool"], "kernel": jax.random.normal(jax.random.key(2), (7, 7, 512))}
    parameters = {**network.parameters, "head": {**network.parameters["head"], "pool": pooled}}
    network = dataclasses.replace(network, parameters=parameters)
    images = np.random.default_rng(0).integers(0, 256, (101, 112, 112, 3), np.uint8)
    left, right = fit_dropout_head(network, images), fit_dropout_head(network, network.forward(images))
    kernels = [each.parameters["head"]["kernel"] for each in (left, right)]
    np.testing.assert_allclose(*kernels, rtol=1e-4, atol=1e-6)


def test_what_cannot_be_fitted_is_refused(network, small):
    seen = forward_of(network, units(120))
    for wrong in ({"dropout_rate": 0.0}, {"dropout_rate": 1.0}, {"cosine": 1.0}):
        with pytest.raises(PfiqError, match=next(iter(wrong))):
            fit_dropout_head(network, seen, **wrong)
    with pytest.raises(PfiqError, match="custom network"):
        fit_dropout_head(small, seen)
    with pytest.raises(PfiqError, match="99 faces are too few"):
        fit_dropout_head(network, jax.tree.map(lambda leaf: leaf[:99], seen))
    seen.units[3] = np.nan
    with pytest.raises(PfiqError, match="1 of 120 faces"):
        fit_dropout_head(network, seen)
