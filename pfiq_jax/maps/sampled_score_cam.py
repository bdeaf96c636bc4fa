"""Score-CAM from a sample of the channels: 65 forward passes instead of one per channel.

Introduced here. In Score-CAM every channel counts, and most weights are similar. On the networks that were measured,
their mean is two to three times their spread. The map is therefore mainly the sum of all masks, and it depends on the
weights only by how they change with the mask. Maps from gradients (Grad-CAM, LayerCAM, gradient times activation), or
from the channels of most energy or greatest weight only, agree less with it (``benchmarks/activation_maps.py``).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.bounds import at_least, relu
from pfiq_jax.errors import check_count
from pfiq_jax.maps.activation_map import activation_map
from pfiq_jax.maps.score_cam import (
    CHUNK_SIZE,
    channels_of,
    check_chunk_size,
    masked_scores,
    summands,
)
from pfiq_jax.recognizers.forward import Forward, Images, per_face, variants_at_once
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import TINY

RIDGE = 0.3  # relative to the mean variance of a mask's places; the best of 0.01 to 1 on both networks measured


@per_face
def sampled_score_cam(
    recognizer: Recognizer, images: Images, *, num_channels: int = 64, chunk_size: int = CHUNK_SIZE
) -> Float[Array, "*batch height width"]:
    """Score-CAM's map from some of its channels; in [0, 1], higher is more active.

    The similarity of a masked image is approximated by an affine function of the mask. The function is fitted to
    evenly spaced channels, by ridge regression on the places of the grid, and predicts the weight of every channel from
    its mask. In all else the map is that of ``score_cam`` with its defaults. It correlates with the full map about as
    well as the two variants of ``score_cam`` do with each other (``benchmarks/results/activation_maps.md``).

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        num_channels: number of channels to fit to, or all if the network has fewer; each costs a forward pass.
        chunk_size: masked images in memory at a time, but at least one per face.

    Raises:
        PfiqError: for images of another shape, dtype or range, and for ``num_channels`` or a chunk size below 1.
    """
    check_count("num_channels", num_channels)
    check_chunk_size(chunk_size)
    size = recognizer.preprocessing.size
    seen = recognizer.forward(images)
    at_once = variants_at_once(chunk_size, seen.images.shape[0])

    def explain(face: Forward) -> Float[Array, "height width"]:
        grids = relu(channels_of(face))
        count = min(num_channels, len(grids))
        chosen = jnp.arange(count) * len(grids) // count
        scores = masked_scores(recognizer, face, grids[chosen], variant="amva", score="cosine", at_once=at_once)
        masks = summands(grids, size, "amva")
        weights = _affine_fit(masks.reshape(len(masks), -1), chosen, scores)
        return activation_map(jnp.tensordot(weights, masks, 1, precision="highest"), size)

    return jax.vmap(explain)(seen)


def _affine_fit(
    points: Float[Array, "points dim"], chosen: Array, values: Float[Array, " chosen"]
) -> Float[Array, " points"]:
    """Values of all points, predicted by ridge regression on some of them."""
    mean = jnp.mean(values)
    points = points - jnp.mean(points[chosen], 0, keepdims=True)
    known = points[chosen]
    with jax.default_matmul_precision("highest"):
        products = known.T @ known
        strength = at_least(RIDGE * jnp.trace(products) / len(products), TINY)  # above 0 for flat features
        ridge = strength * jnp.eye(len(products), dtype=products.dtype)
        slope = jnp.linalg.solve(products + ridge, known.T @ (values - mean))
        return points @ slope + mean
