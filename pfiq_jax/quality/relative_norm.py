"""The relative norm: length of the embedding, relative to the uniform shift of the units.

Introduced here. The length of an embedding follows quality (Meng et al., MagFace, CVPR 2021), even if no loss
requires it. Blur, motion and noise disturb a face as a whole. They shift whole channels of the units, the last feature
map before dropout, by the same amount at the brow and at the chin. A useful face excites different channels at
different places. Divided by this uniform shift, the length had the lowest pAUC of all methods that were measured on
disturbed faces with the bundled network (``benchmarks/results/scores.md``).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.bounds import at_least
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import TINY, norm


@per_face
def relative_norm(recognizer: Recognizer, images: Images) -> Float[Array, "*batch"]:
    """Length of the embedding, divided by the mean absolute channel mean of the units; higher is better.

    It is ``|y| / mean over channels of |mean over places of z|``, where y is the embedding before normalisation, and z
    are the units that dropout acts on, (rows, columns, channels). It takes one forward pass, no training and no random
    numbers. Differentiable with finite gradients. In heads that pool, the units have one place.

    Args:
        recognizer: preferably the one that will be deployed.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.

    Returns:
        One ratio per image, 0 or more, on a scale of its own for each network (500 to 1,200 for the bundled one).
        ``face_quality`` scales it to 0..1.

    Raises:
        PfiqError: for images of another shape, dtype or range.

    Example:
        >>> seen = recognizer.forward(face)
        >>> round(float(pfiq_jax.relative_norm(recognizer, seen)))
        847
    """
    seen = recognizer.forward(images)
    channel_means = jnp.mean(seen.units, range(1, seen.units.ndim - 1))
    shift = jnp.mean(jnp.abs(channel_means), -1)
    return norm(seen.embedding) / at_least(shift, TINY)
