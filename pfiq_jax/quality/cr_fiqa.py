"""CR-FIQA: quality predicted from the embedding by a dense layer that was trained with the network.

Source: Boutros et al., "CR-FIQA: Face Image Quality Assessment by Learning Sample Relative Classifiability", CVPR 2023.
"""

from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.iresnet import IResNet
from pfiq_jax.recognizers.recognizer import Recognizer


@per_face
def cr_fiqa(recognizer: Recognizer, images: Images) -> Float[Array, "*batch"]:
    """The learned quality of the embedding before normalisation; higher is better. Differentiable.

    Args:
        recognizer: one with a quality head, which ``weights-convert`` reads from CR-FIQA's checkpoints.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.

    Returns:
        One number per image, without a fixed range; about 0.1 to 2.5 for the published networks.

    Raises:
        PfiqError: for a recogniser without a quality head, and for images of another shape, dtype or range.

    References:
        Boutros et al., CVPR 2023, section 3.2.
    """
    if lacks := missing_quality_head(recognizer):
        raise PfiqError(f"cr_fiqa: the recogniser has {lacks}.")
    assert isinstance(recognizer.network, IResNet)  # for the type checker
    return recognizer.network.learned_quality(recognizer.parameters, recognizer.forward(images).embedding)


def missing_quality_head(recognizer: Recognizer) -> str | None:
    """What a recogniser lacks for ``cr_fiqa``; None if nothing."""
    if isinstance(recognizer.network, IResNet) and recognizer.network.quality_head:
        return None
    return "no quality head; convert a CR-FIQA checkpoint, which holds one (`qs`)"
