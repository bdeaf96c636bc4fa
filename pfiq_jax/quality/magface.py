"""MagFace: quality as the length of the embedding that its loss trains to grow with it.

Source: Meng et al., "MagFace: A Universal Representation for Face Recognition and Quality Assessment", CVPR 2021.
ISO/IEC 29794-5 takes it as the unified quality score, on a scale of its own.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.quality.ser_fiq import safe_sqrt
from pfiq_jax.recognizers.recognizer import Recognizer


def magface(recognizer: Recognizer, images: ArrayLike) -> Float[Array, "*batch"]:
    """Quality as the Euclidean length of the embedding before normalisation; higher is better.

    Differentiable; the gradient of a zero embedding is zero.

    Args:
        recognizer: one trained with MagFace's loss; of others it is the plain norm, which the loss did not shape.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).

    Returns:
        One magnitude an image, 0 or more; about 18 to 30 for the published networks.

    Raises:
        PfiqError: for images that do not fit.

    References:
        Meng et al., CVPR 2021, section 3.2.
    """
    return safe_sqrt(jnp.sum(jnp.square(recognizer.embed(images)), -1))


def unified_quality_score(magnitude: ArrayLike) -> Float[Array, "*batch"]:
    """MagFace's magnitude on the scale of ISO/IEC 29794-5: whole numbers from 0 to 100; higher is better.

    round(100 sigmoid((m - 23) / 2.6)). Flat almost everywhere, so it has no use as a loss.

    Args:
        magnitude: of ``magface``, of the IResNet-50 that the standard's reference implementation (OFIQ) holds, or of
            one whose magnitudes spread alike.

    References:
        OFIQ, unified quality score; ISO/IEC 29794-5:2025.
    """
    share = jax.nn.sigmoid((jnp.asarray(magnitude, jnp.float32) - 23) / 2.6)
    return jnp.round(100 * share)
