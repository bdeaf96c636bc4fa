"""CR-FIQA: quality as a dense layer learned to tell it from the embedding.

Source: Boutros et al., "CR-FIQA: Face Image Quality Assessment by Learning Sample Relative Classifiability", CVPR 2023.
"""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.recognizer import Recognizer


def cr_fiqa(recognizer: Recognizer, images: ArrayLike) -> Float[Array, "*batch"]:
    """The learned quality of the embedding before normalisation; higher is better. Differentiable.

    Args:
        recognizer: one with a quality head, as ``weights-convert`` makes of CR-FIQA's checkpoints.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).

    Returns:
        One number an image, of no fixed range; about 0.1 to 2.5 for the published networks.

    Raises:
        PfiqError: for a recogniser without a quality head, and for images that do not fit.

    References:
        Boutros et al., CVPR 2023, section 3.2.
    """
    embedding = recognizer.embed(images)
    quality = recognizer.network.learned_quality(recognizer.parameters, embedding.reshape(-1, embedding.shape[-1]))
    if quality is None:
        raise PfiqError(f"{recognizer} has no quality head; convert a CR-FIQA checkpoint, which has one (`qs`).")
    return quality.reshape(jnp.shape(images)[:-3])
