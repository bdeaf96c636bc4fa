"""Contributions of places: feature maps times their gradients, at three resolutions of the trunk.

A gradient shows where a quantity could change; a contribution shows what the quantity consists of. At a layer with the
activations a_c (c runs over channels), a place contributes ``sum_c |a_c dN/da_c|`` to a linear function N of the
embedding. The last two resolutions (14x14 and 7x7 places on most networks) determine which parts of the face
contribute. The resolution before them, minus its Gaussian blur of 10 pixels, determines the borders.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.bounds import at_least
from pfiq_jax.maps.regressors import DEFAULT_REGRESSOR, REGRESSORS
from pfiq_jax.maps.smoothing import gaussian_blur
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.forward import Forward
from pfiq_jax.recognizers.layer_outputs import no_offset
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import TINY

BORDER_SIGMA = 10.0  # pixels


class Explained(NamedTuple):
    """A forward and a backward pass of one function of the embedding.

    Attributes:
        seen: the forward pass.
        gradient: (batch, height, width, 3), of the function by the pixels.
        log_contributions: (batch, rows, columns) of each layer, finest first.
        compared: (batch, rows, columns, channels), the output of the last layer but one; deficits compare it with the
            same output for good faces.
    """

    seen: Forward
    gradient: Float[Array, "batch height width 3"]
    log_contributions: list[Float[Array, "batch _ _"]]
    compared: Float[Array, "batch rows columns channels"]


def explain_layers(
    recognizer: Recognizer, pixels: Float[Array, "batch height width 3"], regressor: str = DEFAULT_REGRESSOR
) -> Explained:
    """The contributions to a regressor's function at the last layer of each of the trunk's last three resolutions.

    For a custom network, only the contributions of the features are computed.

    Args:
        recognizer: the network to explain.
        pixels: RGB, 0..255.
        regressor: one of ``REGRESSORS``.
    """
    network = recognizer.network
    names = network.blocks[1:] if isinstance(network, Architecture) else ("features",)

    def explained(
        pixels: Array, offsets: dict[str, Array]
    ) -> tuple[Float[Array, " batch"], tuple[Forward, dict[str, Array]]]:
        seen, layers = _forward_with_layers(recognizer, pixels, offsets)
        return REGRESSORS[regressor](recognizer, seen), (seen, {name: layers[name] for name in names})

    shapes = jax.eval_shape(explained, pixels, {})[1][1]
    zeros = {name: no_offset(pixels, shapes[name]) for name in names}
    value, pull_back, (seen, outputs) = jax.vjp(explained, pixels, zeros, has_aux=True)
    gradient, inner = pull_back(jnp.ones_like(value))
    logs = [_log_contribution(outputs[name], inner[name]) for name in names]
    return Explained(seen, gradient, logs, outputs[names[-2:][0]])


def _forward_with_layers(
    recognizer: Recognizer, pixels: Float[Array, "batch height width 3"], offsets: dict[str, Array]
) -> tuple[Forward, dict[str, Array]]:
    """The forward pass, and the outputs of the trunk's layers, to which the offsets are added."""
    network, parameters = recognizer.network, recognizer.parameters_to_run
    prepared = recognizer.preprocessing(pixels)
    if isinstance(network, Architecture):
        features, layers = network.part_layers("trunk", parameters, prepared, offsets=offsets)
        outputs = {name: layer.output for name, layer in layers.items()}
    else:
        features = network.trunk(parameters, prepared) + offsets.get("features", 0)
        outputs = {"features": features}
    units = network.units(parameters, features)
    return Forward(pixels, features, units, network.project(parameters, units)), outputs


def _log_contribution(
    output: Float[Array, "batch rows columns channels"], gradient: Float[Array, "batch rows columns channels"]
) -> Float[Array, "batch rows columns"]:
    """Log of the contributions of a layer's places, times the number of places, so that layers are comparable."""
    product = output.astype(jnp.float32) * gradient.astype(jnp.float32)
    density = jnp.sum(jnp.abs(product), -1) * (product.shape[1] * product.shape[2])
    return jnp.log(at_least(density, TINY))


def combine(
    log_contributions: Sequence[Float[Array, "batch _ _"]], size: tuple[int, ...]
) -> Float[Array, "batch height width"]:
    """The log of a pixel's contribution, from those of the layers, finest first."""
    *finer, deepest = (jax.image.resize(each, (each.shape[0], *size), "linear") for each in log_contributions)
    if not finer:
        return deepest
    combined = (finer[-1] + deepest) / 2
    if len(finer) > 1:
        combined += (finer[0] - gaussian_blur(finer[0][..., None], BORDER_SIGMA)[..., 0]) / 2
    return combined
