"""The head that predicts quality, without the fit."""

import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.learned_head import LearnedHead


def test_prediction_by_hand():
    head = LearnedHead(np.float32([2, -1]), np.float32([0.5]), "test")
    np.testing.assert_array_equal(head.predict(jnp.array([[1.0, 1.0], [0.0, 3.0]])), [1.5, -2.5])


@pytest.mark.parametrize(
    "change",
    [{"kernel": np.ones((2, 1))}, {"bias": np.ones(2)}, {"kernel": np.array([np.nan])}, {"extra": np.ones(1)}],
    ids=["kernel", "bias", "not finite", "left over"],
)
def test_damaged_arrays_are_refused(change):
    sound = {"kernel": np.ones(2), "bias": np.ones(1)}
    assert LearnedHead.from_arrays(sound, "test").reference == "test"
    with pytest.raises(PfiqError, match="missing, damaged or of another release"):
        LearnedHead.from_arrays(sound | change, "test")
    with pytest.raises(PfiqError, match="missing"):
        LearnedHead.from_arrays({"kernel": np.ones(2)}, "test")
