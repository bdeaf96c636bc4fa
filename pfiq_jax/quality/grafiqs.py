"""GraFIQs: quality as how little a network would have to change for a face to fit its BatchNorm statistics.

Source: Kolf, Damer, Boutros, "GraFIQs: Face Image Quality Assessment Using Gradient Magnitudes", CVPR workshops 2024,
and the code of its authors, which returns the magnitude itself: there, lower is better.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.images import as_batch
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.recognizers.watching import BLOCKS, NormInput, Seen, watch

Block = Literal["image", 1, 2, 3, 4]


def grafiqs(recognizer: Recognizer, images: ArrayLike, *, block: Block = 1) -> Float[Array, "*batch"]:
    """Quality as the negated sum of |dL/da|; higher is better.

    L is how far the image is from what the network was trained on: the squared differences of the mean and of the
    (biased) variance of each channel over the places of this one image from the running ones, averaged over the
    channels of each BatchNorm over maps, summed over both, averaged over these BatchNorms. a is the preprocessed image,
    or what a block of the trunk gives.

    One forward and one backward pass, of the network itself also where the features are known: inside one ``jax.jit``
    XLA merges that forward with the one that the features come from. An image's score does not depend on its batch.
    Differentiable (in reverse mode), but piecewise: the gradient of a sum of magnitudes.

    Images unlike any face can fit the statistics well: an all-black one scores best on the published networks.

    Args:
        recognizer: one with an ``Architecture`` of this library.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).
        block: where the gradient is taken: at the output of block 1 to 4, the last layer of the trunk at each of its
            last four resolutions (``layer1`` to ``layer4`` of an IResNet), or at the "image" as the network's
            preprocessing leaves it (about -1..1, to which the published magnitudes belong). Which one is best, the
            authors say, must be measured: on the bundled network and the faces of ``benchmarks/results/scores.md`` the
            pAUC is 0.73 at the image, and 0.69, 0.69, 1.03 and 0.81 at the blocks; lower is better.

    Returns:
        One number an image, 0 or less, on a scale that each network and block has for itself.

    Raises:
        PfiqError: for a network without BatchNorms and blocks that can be seen, as those of one's own are, and for one
            that was converted from a file with its BatchNorms folded into the convolutions, which has lost their
            statistics; for an unknown block, and for images that do not fit.

    References:
        Kolf et al., CVPRW 2024, section 3.
    """
    if block not in get_args(Block):
        raise PfiqError(f"block is {block!r}; choose one of {', '.join(map(repr, get_args(Block)))}.")
    if "batch_norms" in dict(recognizer.provenance):
        raise PfiqError(f"{recognizer} has no BatchNorm statistics; convert a file that was not exported to run.")
    whole = recognizer.without_features()
    inputs = whole.preprocessing(as_batch(images, whole.preprocessing.size))

    def run(inputs: Array, replaced: Mapping[int, Array] = MappingProxyType({})) -> Seen:
        with watch(replaced) as seen:
            whole.network.head(whole.parameters, whole.network.trunk(whole.parameters, inputs))
        if not seen.norms or len(seen.blocks) != BLOCKS:
            raise PfiqError(f"{recognizer} does not show its BatchNorms; GraFIQs needs a network of this library.")
        return seen

    if block == "image":
        gradient = jax.grad(lambda inputs: _misfit(run(inputs).norms))(inputs)
    else:
        output = run(inputs).blocks[block - 1]
        gradient = jax.grad(lambda output: _misfit(run(inputs, {block: output}).norms))(output)
    magnitude = jnp.sum(jnp.abs(gradient.astype(jnp.float32)), (1, 2, 3))
    return -magnitude.reshape(jnp.shape(images)[:-3])


def _misfit(norms: list[NormInput]) -> Float[Array, ""]:
    """L of each image, summed over the images, none of which moves another's."""
    terms = []
    for norm in norms:
        maps, mean, var = (array.astype(jnp.float32) for array in norm)
        means = jnp.mean(maps, (1, 2))
        variances = jnp.var(maps, (1, 2))
        terms += [_distance(means, mean), _distance(variances, var)]
    return sum(terms, jnp.zeros(())) / len(norms)


def _distance(of_images: Float[Array, "batch channels"], expected: Float[Array, " channels"]) -> Float[Array, ""]:
    return jnp.sum(jnp.mean(jnp.square(of_images - expected[None]), -1))
