"""Relative norm: the length of the embedding, relative to how far all places of the face drift alike.

Ours. The length of an embedding follows quality (Meng et al., MagFace, CVPR 2021), even where no loss asked for it.
What spoils a face as a whole, blur, motion, noise, shifts whole channels of the last feature map, at the brow as at
the chin, while a useful face excites different channels at different places. Dividing by that common drift orders
spoiled faces better than the length does, or SER-FIQ (``benchmarks/results/scores.md``).
"""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.images import as_batch
from pfiq_jax.quality.ser_fiq import safe_sqrt
from pfiq_jax.recognizers.recognizer import Recognizer

_TINY = 1e-12


def relative_norm(recognizer: Recognizer, images: ArrayLike) -> Float[Array, "*batch"]:
    """Length of the embedding over the mean absolute channel mean of the units in front of its dense layer.

    With y the embedding before normalisation and z the units that dropout acts on, (rows, columns, channels):
    |y| / mean over channels of |mean over places of z|. Higher is better. No training, no random number, one forward
    pass. Differentiable with finite gradients. In heads that pool, the units have one place.

    Args:
        recognizer: best the one that will be deployed.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).

    Returns:
        One ratio an image, 0 or more, on a scale that each network has for itself (500 to 1,200 for the bundled one);
        ``face_quality`` puts it between 0 and 1.

    Raises:
        PfiqError: for images that do not fit.
    """
    batch = as_batch(images, recognizer.preprocessing.size)
    units, project = recognizer.units_and_projection(recognizer.features(batch))
    length = safe_sqrt(jnp.sum(jnp.square(project(units)), -1))
    drift = jnp.mean(jnp.abs(jnp.mean(units, range(1, units.ndim - 1))), -1)
    return (length / jnp.maximum(drift, _TINY)).reshape(jnp.shape(images)[:-3])
