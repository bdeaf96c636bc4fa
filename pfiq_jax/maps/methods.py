"""The pixel maps and the activation maps by name."""

import functools
from collections.abc import Mapping
from types import MappingProxyType

import jax
from jaxtyping import Array

from pfiq_jax.maps.learned_order import learned_order
from pfiq_jax.maps.mean_activation import mean_activation
from pfiq_jax.maps.mixtures import integrated_gradients, shapley
from pfiq_jax.maps.occlusion import occlusion
from pfiq_jax.maps.pixel_quality import PixelQuality, pixel_quality
from pfiq_jax.maps.places import layer_contribution, unit_contribution
from pfiq_jax.maps.sampled_score_cam import sampled_score_cam
from pfiq_jax.maps.score_cam import score_cam
from pfiq_jax.maps.smooth_grad import smooth_grad
from pfiq_jax.methods import Method
from pfiq_jax.quality.ser_fiq_closed_form import ser_fiq_closed_form

MapMethod = Method[PixelQuality]
ActivationMethod = Method[Array]

# Uses the raw score instead of PLQ's scale, so that pixels keep their order on networks where this scale is nearly 0
# for all faces.
_plq = functools.partial(
    pixel_quality, regressor="published", quality=functools.partial(ser_fiq_closed_form, output_norm=False)
)

LOGARITHMS = {
    "least_norm": "the embedding's length",
    "relative_norm": "the relative norm",
    "ser_fiq_closed_form": "SER-FIQ's closed form",
}

MAP_METHODS: Mapping[str, MapMethod] = MappingProxyType(
    {
        "contribution": MapMethod(pixel_quality, "what each place contributes to the embedding", 1, 1),
        "plq": MapMethod(_plq, "PLQ as published", 1, 1),
        "least_norm": MapMethod(
            functools.partial(pixel_quality, regressor="least_norm", saliency="magnitude"),
            "PLQ with the shortest regressor",
            1,
            1,
        ),
        "closed_form_gradient": MapMethod(
            functools.partial(pixel_quality, regressor="ser_fiq_closed_form", saliency="magnitude"),
            "gradient of SER-FIQ's closed form",
            1,
            1,
        ),
        **{
            f"contribution_{regressor}": MapMethod(
                functools.partial(pixel_quality, regressor=regressor, saliency="contribution"),
                f"contributions to the log of {of}",
                1,
                1,
            )
            for regressor, of in LOGARITHMS.items()
        },
        **{
            f"abs{resolution}": MapMethod(
                functools.partial(layer_contribution, resolution=resolution),
                f"contributions at {places} places alone",
                1,
                1,
            )
            for resolution, places in ((2, "28x28"), (3, "14x14"), (4, "7x7"))
        },
        "unit_contribution": MapMethod(unit_contribution, "exact contributions of the units' places, signed", 1, 1),
        "unit_coherence": MapMethod(
            functools.partial(unit_contribution, kind="coherence"),
            "agreement of a place's contribution with all others",
            1,
            1,
        ),
        "smooth_grad": MapMethod(
            lambda recognizer, images: smooth_grad(jax.random.key(0), recognizer, images),
            "default map, mean of 8 noisy copies",
            8,
            8,
        ),
        "integrated_gradients": MapMethod(integrated_gradients, "gradients on the path from a blurred copy", 9, 8),
        "shapley": MapMethod(
            lambda recognizer, images: shapley(jax.random.key(0), recognizer, images),
            "Shapley values of 14x14 patches",
            17,
            16,
        ),
        "occlusion": MapMethod(occlusion, "loss of the embedding where squares of 16 pixels are blurred", 171, 1),
        "occlusion_16": MapMethod(
            functools.partial(occlusion, side=28, step=28),
            "the same with 16 squares of 28 pixels",
            18,
            1,
        ),
        "learned_order": MapMethod(
            learned_order, "order of patches that is learned per face", 97, 97, differentiable=False
        ),
    }
)
"""Every pixel map's record by its name; ``compute`` returns quality, gradient and map, higher is better."""

DEFAULT_MAP_METHOD = "contribution"
"""Of the maps that take one backward pass, the best on both networks measured."""

ACTIVATION_METHODS: Mapping[str, ActivationMethod] = MappingProxyType(
    {
        "score_cam": ActivationMethod(score_cam, "Score-CAM, one pass per channel", 1025, differentiable=False),
        "sampled_score_cam": ActivationMethod(
            sampled_score_cam, "Score-CAM from 64 channels", 65, differentiable=False
        ),
        "mean_activation": ActivationMethod(mean_activation, "mean of Score-CAM's masks", 1),
    }
)
"""Every activation map's record by its name, most expensive first; in [0, 1], higher is more active.

The passes of ``score_cam`` are those of the bundled network, which has 1,024 channels.
"""

DEFAULT_ACTIVATION_METHOD = "sampled_score_cam"
"""About as similar to the full Score-CAM as the two published variants are to each other, in 1/16 of the time."""
