"""The reference of deficits, on random places with a known distribution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.good_faces import GoodFaces

SIZE = (16, 16)


def places(seed: int, faces: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Log contributions at two resolutions and features of 40 channels, which differ from place to place."""
    generator = np.random.default_rng(seed)
    fixed = np.random.default_rng(0)
    logs = [
        (fixed.normal(0, 2, (n, n)) + fixed.uniform(0.2, 2, (n, n)) * generator.normal(size=(faces, n, n)))
        for n in (8, 4)
    ]
    mixing = fixed.normal(0, 1, (40, 40))
    features = fixed.normal(0, 1, (8, 8, 40)) + generator.normal(size=(faces, 8, 8, 40)) @ mixing
    return [each.astype(np.float32) for each in logs], features.astype(np.float32)


@pytest.fixture(scope="module")
def good_faces() -> GoodFaces:
    return GoodFaces.fit(*places(1, 600), SIZE, reference="drawn")


def test_deficits_of_new_good_faces_are_uniform(good_faces):
    logs, features = places(2, 600)
    deficit = np.asarray(good_faces.deficit([jnp.asarray(each) for each in logs], jnp.asarray(features)))
    assert deficit.shape == (600, *SIZE)
    for share in (0.1, 0.5, 0.9, 0.95, 0.99):
        assert np.mean(deficit <= share) == pytest.approx(share, abs=0.02)


def test_less_contribution_and_unusual_features_raise_the_deficit(good_faces):
    logs, features = places(3, 20)
    usual = good_faces.deficit([jnp.asarray(each) for each in logs], jnp.asarray(features))
    lacking = good_faces.deficit([jnp.asarray(each - 3) for each in logs], jnp.asarray(features))
    unusual = good_faces.deficit([jnp.asarray(each) for each in logs], jnp.asarray(features) * 2)
    assert (lacking > usual).all()
    assert jnp.mean(unusual > usual) > 0.95


def test_deficits_stay_in_range_and_have_finite_gradients_at_extremes(good_faces):
    logs, features = places(4, 2)
    for size in (0.0, 1.0, 1e6):
        arguments = [jnp.asarray(each) * size for each in logs], jnp.asarray(features) * size
        deficit = good_faces.deficit(*arguments)
        assert ((deficit >= 0) & (deficit <= 1)).all()
        slopes = jax.grad(lambda logs, features: good_faces.deficit(logs, features).sum(), (0, 1))(*arguments)
        assert all(jnp.isfinite(each).all() for each in jax.tree.leaves(slopes))


def test_nan_stays_nan(good_faces):
    logs, features = places(5, 2)
    features[1] = np.nan
    deficit = good_faces.deficit([jnp.asarray(each) for each in logs], jnp.asarray(features))
    assert jnp.isfinite(deficit[0]).all()
    assert jnp.isnan(deficit[1]).all()


def test_the_same_faces_give_the_same_bits_and_the_words_are_no_key(good_faces):
    again = GoodFaces.fit(*places(1, 600), SIZE, reference="other words")
    jax.tree.map(np.testing.assert_array_equal, again, good_faces)
    assert jax.tree.structure(again) == jax.tree.structure(good_faces)


def test_few_faces_and_features_of_another_network_are_refused(good_faces):
    with pytest.raises(PfiqError, match="there are 99 good faces; give 100 or more"):
        GoodFaces.fit(*places(1, 99), SIZE, reference="drawn")
    logs, features = places(1, 2)
    with pytest.raises(PfiqError, match="fitted to features"):
        good_faces.deficit([jnp.asarray(each) for each in logs], jnp.asarray(features[..., :3]))
