"""The order of pixels that is learned on each image: how good a map can become by many passes."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from pfiq_jax.bounds import at_least
from pfiq_jax.errors import check_count
from pfiq_jax.maps.pixel_quality import PixelQuality, pixel_quality
from pfiq_jax.maps.smoothing import blurred_fill
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import TINY, normalize

PATCHES = 28  # per side
RATE = 0.15  # of Adam, in standard deviations of the order
SOFTNESS = 0.1  # of a mask's edge, in the same unit
INSERTION_WEIGHT = 0.75  # deletion is learned faster, so it gets the smaller weight, 1 - 0.75
LEAST_SHARE, MOST_SHARE = 0.05, 0.95  # of the patches that a step inserts and removes
GOLDEN_RATIO = 0.618034  # its multiples modulo 1 are spread evenly, for any number of steps


@per_face
def learned_order(recognizer: Recognizer, images: Images, *, steps: int = 48) -> PixelQuality:
    """An order of the pixels: with the first ones the face is recognised, without them it is not.

    Higher is better. The order starts from the logarithm of the default map on 28x28 patches. Each step takes a share
    of the best patches, inserts them into the blurred image and removes them from the image. It improves the order by
    the gradients of the similarity of both to the image itself. Deterministic.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        steps: number of steps of Adam; each costs two forward and two backward passes.

    Raises:
        PfiqError: for fewer than one step, and for images of another shape, dtype or range.

    References:
        Fong et al., "Understanding deep networks via extremal perturbations and smooth masks", ICCV 2019.
    """
    check_count("steps", steps)
    seen = recognizer.forward(images)
    pixels, own = seen.images, jax.lax.stop_gradient(normalize(seen.embedding))
    start = pixel_quality(recognizer, pixels)
    blurred = blurred_fill(pixels)
    odds = start.map / at_least(1 - start.map, 1e-6)  # the map before it was squashed
    first = _standardize(jnp.log(at_least(_patch_means(odds), TINY)))
    adam = optax.adam(RATE)

    def loss(order: Float[Array, "batch rows columns 1"], share: Float[Array, ""]) -> Float[Array, ""]:
        full = _enlarge(order, pixels.shape[1:3])
        least = _quantiles(jax.lax.stop_gradient(full), 1 - share)
        mask = jax.nn.sigmoid((full - least) / SOFTNESS)
        inserted = recognizer.embed(blurred + mask * (pixels - blurred))
        deleted = recognizer.embed(pixels + mask * (blurred - pixels))
        kept, left = (jnp.sum(normalize(each) * own) for each in (inserted, deleted))
        return (1 - INSERTION_WEIGHT) * left - INSERTION_WEIGHT * kept

    def step(carry: tuple[Array, optax.OptState], share: Float[Array, ""]) -> tuple[tuple[Array, optax.OptState], None]:
        order, state = carry
        updates, state = adam.update(jax.grad(loss)(order, share), state)
        return (order + updates, state), None

    spread = jnp.arange(steps, dtype=jnp.float32) * GOLDEN_RATIO % 1
    shares = LEAST_SHARE + (MOST_SHARE - LEAST_SHARE) * spread
    # optax mixes dtypes and ranks, which stricter callers forbid
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        (order, _), _ = jax.lax.scan(step, (first, adam.init(first)), shares)
    # Half of the start is added, since only patches that were near the threshold of some step have learned their place.
    full = _enlarge(order + first / 2, pixels.shape[1:3])[..., 0]
    return PixelQuality(start.quality, start.gradient, jax.nn.sigmoid(full))


def _patch_means(values: Float[Array, "batch height width"]) -> Float[Array, "batch rows columns 1"]:
    shape = (values.shape[0], PATCHES, PATCHES)
    return jax.image.resize(values, shape, "linear", antialias=True)[..., None]


def _standardize(values: Float[Array, "batch rows columns 1"]) -> Float[Array, "batch rows columns 1"]:
    centred = values - jnp.mean(values, (1, 2), keepdims=True)
    return centred / at_least(jnp.std(values, (1, 2), keepdims=True), 1e-6)


def _quantiles(full: Float[Array, "batch height width 1"], share: Float[Array, ""]) -> Float[Array, "batch 1 1 1"]:
    of_each = jax.vmap(lambda each: jnp.quantile(each, share))(full)
    return jnp.expand_dims(of_each, (1, 2, 3))


def _enlarge(
    patches: Float[Array, "batch rows columns 1"], size: tuple[int, ...]
) -> Float[Array, "batch height width 1"]:
    return jax.image.resize(patches, (patches.shape[0], *size, 1), "linear")
