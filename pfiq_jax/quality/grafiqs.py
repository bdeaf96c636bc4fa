"""GraFIQs: quality as how little a network would have to change for a face to fit its BatchNorm statistics.

Source: Kolf, Damer, Boutros, "GraFIQs: Face Image Quality Assessment Using Gradient Magnitudes", CVPR workshops 2024,
and the code of its authors, which returns the magnitude itself: there, lower is better.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.layer_outputs import Layer, no_offset, norm_inputs
from pfiq_jax.recognizers.recognizer import Recognizer

Block = Literal["image", 1, 2, 3, 4]


@per_face
def grafiqs(recognizer: Recognizer, images: Images, *, block: Block = 1) -> Float[Array, "*batch"]:
    """Quality as the negated sum of ``|dL/da|``; higher is better.

    L is how far the image is from what the network was trained on. For each channel of each BatchNorm over maps, it
    takes the mean and the (biased) variance over the places of this one image, and the squared differences from the
    running mean and variance. These are averaged over the channels, summed over both, and averaged over the
    BatchNorms. a is the preprocessed image, or the output of a block of the trunk.

    One forward and one backward pass through the network itself, also from a ``Forward``: inside one ``jax.jit`` XLA
    merges the forward pass with the one that is there. An image's score does not depend on its batch. Differentiable,
    but piecewise: it is the gradient of a sum of magnitudes.

    Images unlike any face can fit the statistics well: on the published networks an all-black image scores best.

    Args:
        recognizer: one with an ``Architecture`` of this library.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        block: where the gradient is taken. 1 to 4 are outputs of blocks, the last layer at each of the trunk's last
            four resolutions (``layer1`` to ``layer4`` of an IResNet). "image" is the preprocessed image (about -1..1),
            to which the published magnitudes belong. According to the authors, the best must be found by measuring.
            On the bundled network and the faces of ``benchmarks/results/scores.md`` the pAUC (lower is better) is 0.73
            at the image, and 0.69, 0.69, 1.03 and 0.81 at the blocks.

    Returns:
        One number per image, 0 or less, on a scale of its own for each network and block.

    Raises:
        PfiqError: for a custom network, whose BatchNorms cannot be identified, and for one that was converted from a
            file with its BatchNorms folded into the convolutions, whose statistics are lost; for an unknown block, and
            for images of another shape, dtype or range.

    References:
        Kolf et al., CVPRW 2024, section 3.
    """
    check_choice("block", block, get_args(Block))
    if lacks := missing_statistics(recognizer):
        raise PfiqError(f"{recognizer} has {lacks}.")
    network, parameters = recognizer.network, recognizer.parameters_to_run
    assert isinstance(network, Architecture)  # for the type checker
    inputs = recognizer.preprocessing(recognizer.forward(images).images)
    if block == "image":
        gradient = jax.grad(lambda inputs: _misfit(network.layers(parameters, inputs)))(inputs)
    else:
        name = network.blocks[block - 1]
        shape = jax.eval_shape(lambda inputs: network.layers(parameters, inputs)[name].output, inputs)
        zeros = no_offset(inputs, shape)
        gradient = jax.grad(lambda offset: _misfit(network.layers(parameters, inputs, offsets={name: offset})))(zeros)
    return -jnp.sum(jnp.abs(gradient.astype(jnp.float32)), (1, 2, 3))


def missing_statistics(recognizer: Recognizer) -> str | None:
    """What a recogniser lacks for ``grafiqs``; None if nothing."""
    if not isinstance(recognizer.network, Architecture):
        return "no BatchNorms that are known; use a network of this library"
    if recognizer.folded_batch_norms:
        return "no BatchNorm statistics, since its source was exported for inference; convert the training checkpoint"
    return None


def _misfit(layers: Mapping[str, Layer]) -> Float[Array, ""]:
    """L of each image, summed over the images, which do not influence each other."""
    norms = norm_inputs(layers)
    terms = []
    for norm in norms:
        maps, mean, var = (array.astype(jnp.float32) for array in norm)
        terms += [_distance(jnp.mean(maps, (1, 2)), mean), _distance(jnp.var(maps, (1, 2)), var)]
    return sum(terms, jnp.zeros((), jnp.float32)) / len(norms)


def _distance(of_images: Float[Array, "batch channels"], expected: Float[Array, " channels"]) -> Float[Array, ""]:
    return jnp.sum(jnp.mean(jnp.square(of_images - expected[None]), -1))
