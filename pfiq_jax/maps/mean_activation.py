"""The mean of Score-CAM's masks: an activation map from one forward pass. Introduced here."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.bounds import relu
from pfiq_jax.maps.activation_map import activation_map
from pfiq_jax.maps.score_cam import summands
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer


@per_face
def mean_activation(recognizer: Recognizer, images: Images) -> Float[Array, "*batch height width"]:
    """The mean of Score-CAM's masks, from one forward pass; in [0, 1], higher is more active.

    This is Score-CAM with equal weights. It shows where the network is active, whether or not this changes the
    embedding. ``benchmarks/results/activation_maps.md`` compares it with the full map.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.

    Raises:
        PfiqError: for images of another shape, dtype or range.

    Example:
        >>> activation = pfiq_jax.mean_activation(recognizer, recognizer.forward(face))
        >>> activation.shape, float(activation.min()), float(activation.max())
        ((112, 112), 0.0, 1.0)
    """
    size = recognizer.preprocessing.size

    def explain(features: Float[Array, "rows columns channels"]) -> Float[Array, "height width"]:
        grids = relu(jnp.moveaxis(features, -1, 0))
        return activation_map(jnp.mean(summands(grids, size, "amva"), 0), size)

    return jax.vmap(explain)(recognizer.forward(images).features.astype(jnp.float32))
