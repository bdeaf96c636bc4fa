"""Quality predicted by a linear head that was fitted to a frozen recogniser and faces of known people.

Introduced here, after CR-FIQA (Boutros et al., CVPR 2023), whose head is trained together with the network.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.bounds import at_least
from pfiq_jax.errors import PfiqError
from pfiq_jax.quality.relative_norm import relative_norm
from pfiq_jax.recognizers.forward import Forward, Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import TINY, norm


@per_face
def learned(recognizer: Recognizer, images: Images) -> Float[Array, "*batch"]:
    """The prediction of the recogniser's learned head; higher is better. Differentiable with finite gradients.

    Args:
        recognizer: one with a learned head, as ``fit_quality_head`` returns it.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.

    Returns:
        One number per image, without a fixed range: the prediction of the target that the head was fitted to. It is the
        mean cosine similarity to other faces of the person (about 0.2 to 0.8) or CR-FIQA's ratio (about 0 to 0.8).
        ``face_quality`` scales it to 0..1.

    Raises:
        PfiqError: for a recogniser without a learned head or with the head of another network, and for images of
            another shape, dtype or range.
    """
    if lacks := missing_learned_head(recognizer):
        raise PfiqError(f"learned: the recogniser has {lacks}.")
    assert recognizer.learned_head is not None  # for the type checker
    return recognizer.learned_head.predict(head_inputs(recognizer, recognizer.forward(images)))


def missing_learned_head(recognizer: Recognizer) -> str | None:
    """What a recogniser lacks for ``learned``; None if nothing."""
    if recognizer.learned_head is not None:
        return None
    return "no learned head; fit one to faces of known people with `fit_quality_head`"


@per_face
def head_inputs(recognizer: Recognizer, images: Images) -> Float[Array, "*batch inputs"]:
    """The inputs of a learned head for a face.

    They are the channel means of the units that dropout acts on, then the logs of the embedding's length and of its
    ``relative_norm``. In heads that pool, the channel means are the units.

    Args:
        recognizer: any.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.

    Raises:
        PfiqError: for images of another shape, dtype or range.
    """
    seen: Forward = recognizer.forward(images)
    channel_means = jnp.mean(seen.units, range(1, seen.units.ndim - 1))
    lengths = norm(seen.embedding), relative_norm(recognizer, seen)
    logs = [jnp.log(at_least(length, TINY))[:, None] for length in lengths]
    return jnp.concatenate([channel_means, *logs], -1)
