"""What a source states besides its arrays: epsilons, preprocessing, dropout."""

import dataclasses

import numpy as np
import pytest

from pfiq_jax import ARCFACE_TORCH, PfiqError
from weights_convert.convert import convert


def test_epsilons_are_read_from_files_that_state_them(iresnet_source):
    assert convert(iresnet_source).network.epsilon == 1e-5
    norms = [name for name in iresnet_source.arrays if name.endswith("running_mean")]
    stated = dataclasses.replace(iresnet_source, epsilons=dict.fromkeys(norms, 2e-5))
    assert convert(stated).network.epsilon == 2e-5
    assert convert(stated, epsilon=1e-3).network.epsilon == 1e-3


def test_epsilons_that_disagree(iresnet_source, sface_source):
    assert set(sface_source.epsilons.values()) == {1e-3, 2e-5}
    stated = {**sface_source.epsilons, "conv_3_batchnorm_moving_mean": 1e-5}
    with pytest.raises(PfiqError, match=r"several epsilons \[1e-05, 0\.001\], but sface has one epsilon"):
        convert(dataclasses.replace(sface_source, epsilons=stated))
    with pytest.raises(PfiqError, match="several different BatchNorm epsilons; omit --epsilon"):
        convert(sface_source, epsilon=1e-5)
    with pytest.raises(PfiqError, match=r"several epsilons \[1e-05, 2e-05\]"):
        convert(dataclasses.replace(iresnet_source, epsilons={"bn1.running_mean": 1e-5, "bn2.running_mean": 2e-5}))


@pytest.mark.parametrize("epsilon", [0.0, -1e-5, float("nan"), 2.0])
def test_epsilons_out_of_range(epsilon, iresnet_source):
    with pytest.raises(PfiqError, match=f"^epsilon: is {epsilon:g}, not between 0 and 1"):
        convert(iresnet_source, epsilon=epsilon)


def test_what_the_source_states_replaces_what_was_published(iresnet_source):
    plain = convert(iresnet_source)
    assert plain.provenance.assumed == ("preprocessing", "epsilon", "dropout_rate")
    stated = convert(dataclasses.replace(iresnet_source, pixels=(100.0, 0.5), dropout_rate=0.3))
    assert stated.preprocessing == dataclasses.replace(ARCFACE_TORCH, mean=(100.0,) * 3, scale=(0.5,) * 3)
    assert stated.provenance.assumed == ("epsilon",)
    assert stated.dropout_rate == 0.3
    given = convert(iresnet_source, epsilon=1e-3).provenance
    assert (given.assumed, given.given) == (("preprocessing", "dropout_rate"), ("epsilon",))


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        ({"epsilons": {"bn1.running_mean": 0.0}}, r"the epsilon of bn1\.running_mean"),
        ({"dropout_rate": 1.0}, "the dropout rate"),
        ({"pixels": (np.inf, 1.0)}, "the mean and scale of the pixels"),
        ({"pixels": (0.0, 0.0)}, "the mean and scale of the pixels"),
    ],
)
def test_impossible_values_that_a_file_states(statements, named, iresnet_source):
    with pytest.raises(PfiqError, match=f"states impossible values for {named}; "):
        convert(dataclasses.replace(iresnet_source, **statements))


def test_an_epsilon_that_the_source_states_distinguishes_networks_with_equal_names(iresnet_source):
    means = [name for name in iresnet_source.arrays if name.endswith("running_mean")]
    for epsilon, name, rival in ((1e-5, "iresnet18", "magface_iresnet18"), (2e-5, "magface_iresnet18", "iresnet18")):
        stated = dataclasses.replace(iresnet_source, epsilons=dict.fromkeys(means, epsilon))
        provenance = convert(stated).provenance
        assert (provenance.network, provenance.also_fits) == (name, (rival,))
        assert "epsilon" not in provenance.assumed
