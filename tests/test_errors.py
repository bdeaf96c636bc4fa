import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.errors import check_count, check_share


@pytest.mark.parametrize("value", [5.5, 5.0, 1, -3, "5", None, True, float("nan")])
def test_a_count_that_is_not_a_whole_number(value):
    with pytest.raises(PfiqError, match=r"num_masks is .*; give a whole number of at least 2"):
        check_count("num_masks", value, least=2)


@pytest.mark.parametrize("value", [0, 1, -0.1, "0.5", None, True, float("nan"), float("inf"), 0.5j])
def test_a_share_that_is_no_share(value):
    with pytest.raises(PfiqError, match=r"amount is .*; give a number between 0 and 1"):
        check_share("amount", value)


def test_numbers_of_numpy_count_too():
    assert check_count("num_masks", np.int64(2), least=2) == 2
    assert check_share("amount", np.float32(0.5)) == 0.5
