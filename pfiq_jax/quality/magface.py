"""MagFace: quality as the length of the embedding, which MagFace's loss makes grow with quality.

Source: Meng et al., "MagFace: A Universal Representation for Face Recognition and Quality Assessment", CVPR 2021.
ISO/IEC 29794-5 uses it as the unified quality score, on a scale of its own.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import norm


@per_face
def magface(recognizer: Recognizer, images: Images) -> Float[Array, "*batch"]:
    """Euclidean length of the embedding before normalisation; higher is better.

    Differentiable; the gradient of a zero embedding is zero.

    Args:
        recognizer: one that was trained with MagFace's loss. On other networks it is the plain length of the embedding.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.

    Returns:
        One length per image, 0 or more; about 18 to 30 for the published networks.

    Raises:
        PfiqError: for images of another shape, dtype or range.

    References:
        Meng et al., CVPR 2021, section 3.2.

    Example:
        >>> seen = recognizer.forward(face)
        >>> round(float(pfiq_jax.magface(recognizer, seen)), 2)
        12.35
    """
    return norm(recognizer.forward(images).embedding)


def unified_quality_score(magnitude: ArrayLike) -> Float[Array, "*batch"]:
    """MagFace's magnitude on the scale of ISO/IEC 29794-5: whole numbers from 0 to 100; higher is better.

    It is ``round(100 sigmoid((m - 23) / 2.6))`` of a magnitude m. Its gradient is 0 almost everywhere, so it is useless
    as a loss.

    Args:
        magnitude: result of ``magface`` with the IResNet-50 of the standard's reference implementation (OFIQ), or
            with a network whose magnitudes have a similar distribution.

    References:
        OFIQ, unified quality score; ISO/IEC 29794-5:2025.

    Example:
        >>> float(pfiq_jax.unified_quality_score(25.6))
        73.0
    """
    share = jax.nn.sigmoid((jnp.asarray(magnitude, jnp.float32) - 23) / 2.6)
    return jnp.round(100 * share)
