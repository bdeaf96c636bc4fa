"""GraFIQs: quality as how well a face fits the BatchNorm statistics of the network, measured by a gradient.

Source: Kolf, Damer, Boutros, "GraFIQs: Face Image Quality Assessment Using Gradient Magnitudes", CVPR workshops 2024,
and the code of its authors. The code returns the magnitude itself, for which lower is better.
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

    L measures how far the image is from the training data of the network. For each channel of each BatchNorm over
    maps, it takes the mean and the (biased) variance over the places of this one image, and their squared differences
    from the running mean and variance. These are averaged over the channels, the two are added, and the sums are
    averaged over the BatchNorms. a is the preprocessed image, or the output of a block of the trunk.

    It takes one forward and one backward pass, also if a ``Forward`` is given. Inside one ``jax.jit``, XLA merges the
    forward pass with the existing one. The score of an image does not depend on its batch. It is differentiable
    piecewise, since it is a sum of magnitudes.

    Images unlike any face can fit the statistics well. On the published networks an all-black image scores best.

    Args:
        recognizer: one with an ``Architecture`` of this library.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        block: where the gradient is taken. 1 to 4 are outputs of blocks, the last layer at each of the trunk's last
            four resolutions (``layer1`` to ``layer4`` of an IResNet). "image" is the preprocessed image (about -1..1),
            to which the published magnitudes belong. According to the authors, the best one depends on the network and
            must be measured. ``benchmarks/results/scores.md`` compares them on the bundled network.

    Returns:
        One number per image, 0 or less, on a scale of its own for each network and block.

    Raises:
        PfiqError: for a custom network, whose BatchNorms cannot be identified, for a network whose source had its
            BatchNorms folded into the convolutions, for an unknown block, and for images of another shape, dtype or
            range.

    References:
        Kolf et al., CVPRW 2024, section 3.
    """
    check_choice("block", block, get_args(Block))
    if lacks := missing_statistics(recognizer):
        raise PfiqError(f"grafiqs: the recogniser has {lacks}.")
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
    """L of each image, summed over the images, which are independent of each other."""
    norms = norm_inputs(layers)
    terms = []
    for norm in norms:
        maps, mean, var = (array.astype(jnp.float32) for array in norm)
        terms += [_distance(jnp.mean(maps, (1, 2)), mean), _distance(jnp.var(maps, (1, 2)), var)]
    return sum(terms, jnp.zeros((), jnp.float32)) / len(norms)


def _distance(of_images: Float[Array, "batch channels"], expected: Float[Array, " channels"]) -> Float[Array, ""]:
    return jnp.sum(jnp.mean(jnp.square(of_images - expected[None]), -1))
