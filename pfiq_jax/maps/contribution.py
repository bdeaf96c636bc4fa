"""Contributions of places to the embedding: feature maps times their gradients, from one backward pass.

A gradient shows where the embedding could change, a contribution shows what it consists of. At an inner layer with the
activations a_c (c runs over channels), a place contributes sum_c |a_c dN/da_c| to a linear function N of the embedding.
N is the sum of the embedding's coordinates divided by sqrt(dim): one fixed direction with equal weights, as in PLQ. The
gradient of the embedding's length, in contrast, misses what changes its direction only.

Three of the trunk's resolutions are combined by their logarithms. The last two (14x14 and 7x7 places on most networks)
determine which parts of the face contribute. The one before, minus its Gaussian of 10 pixels, determines the borders.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pfiq_jax.maps.pixel_quality import PixelQuality, squash
from pfiq_jax.maps.smoothing import gaussian_blur
from pfiq_jax.quality.methods import face_quality
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.forward import Forward, Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import TINY

BORDER_SIGMA = 10.0  # pixels
HALF_POINT = 36.0  # the median over the pixels of 32 LFW faces on the bundled network


@per_face
def contribution(recognizer: Recognizer, images: Images) -> PixelQuality:
    """How much each pixel's place contributes to the embedding; higher is better, in [0, 1].

    From one forward and one backward pass. One scale for all images of a network: contributions are not divided by the
    embedding's length, which follows quality (Meng et al., MagFace, CVPR 2021). Of a custom network only the features
    are known, so its map has their resolution.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``. From a ``Forward`` the trunk runs again.

    Raises:
        PfiqError: for images of another shape, dtype or range.
    """
    network, parameters = recognizer.network, recognizer.parameters
    pixels = images.images if isinstance(images, Forward) else jnp.asarray(images)
    names = network.blocks[1:] if isinstance(network, Architecture) else ("features",)

    def run(pixels: Array, offsets: dict[str, Array]) -> tuple[Array, tuple[Forward, dict[str, Array]]]:
        prepared = recognizer.preprocessing(pixels)
        if isinstance(network, Architecture):
            features, layers = network.part_layers("trunk", parameters, prepared, offsets=offsets)
            activations = {name: layers[name].output for name in names}
        else:
            features = network.trunk(parameters, prepared) + offsets.get("features", 0)
            activations = {"features": features}
        units = network.units(parameters, features)
        embedding = network.project(parameters, units)
        return jnp.mean(embedding, -1), (Forward(pixels, features, units, embedding), activations)

    _, (_, shapes) = jax.eval_shape(functools.partial(run, offsets={}), pixels)
    zeros = {name: jnp.zeros(shapes[name].shape, shapes[name].dtype) for name in names}
    mean, pull_back, (seen, activations) = jax.vjp(run, pixels, zeros, has_aux=True)
    root = float(np.sqrt(seen.embedding.shape[-1]))
    gradient, inner = pull_back(jnp.full_like(mean, root))
    logs = [_log_density(activations[name], inner[name], pixels.shape[1:3]) for name in names]
    *finer, deepest = logs
    log_contribution = deepest if len(logs) == 1 else (finer[-1] + deepest) / 2
    if len(logs) == 3:
        log_contribution += (finer[0] - gaussian_blur(finer[0], BORDER_SIGMA)) / 2
    result = squash(jnp.exp(jnp.minimum(log_contribution[..., 0], 30)) / HALF_POINT, a=1.0, b=2.0)
    return PixelQuality(face_quality(recognizer, seen), gradient, result)


def _log_density(
    activation: Float[Array, "batch rows columns channels"],
    gradient: Float[Array, "batch rows columns channels"],
    size: tuple[int, ...],
) -> Float[Array, "batch height width 1"]:
    """Log of the contributions at a layer, times its number of places, enlarged to the image's size."""
    product = activation.astype(jnp.float32) * gradient.astype(jnp.float32)
    density = jnp.sum(jnp.abs(product), -1, keepdims=True) * (product.shape[1] * product.shape[2])
    shape = (density.shape[0], *size, 1)
    return jax.image.resize(jnp.log(jnp.maximum(density, TINY)), shape, "linear")
