"""The activation maps by name: what ``pfiq activations`` offers."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax
from jax.typing import ArrayLike

from pfiq_jax.maps.sampled_score_cam import mean_activation, sampled_score_cam
from pfiq_jax.maps.score_cam import score_cam
from pfiq_jax.recognizers.recognizer import Recognizer

ActivationMethod = Callable[[Recognizer, ArrayLike], jax.Array]

ACTIVATION_METHODS: Mapping[str, ActivationMethod] = MappingProxyType(
    {
        "score_cam": score_cam,
        "sampled_score_cam": sampled_score_cam,
        "mean_activation": mean_activation,
    }
)
"""(recogniser, images) -> one map an image, in [0, 1], higher is more active, from dear to cheap."""

# As the full one to a correlation of 0.99, about what its two published programs have with each other, in a sixteenth
# of the time (benchmarks/results/activation_maps.md).
DEFAULT_ACTIVATION_METHOD = "sampled_score_cam"
