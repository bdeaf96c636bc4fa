"""Maps that take more than one backward pass, and what they gain over the default's single one.

All of them ask what a pixel is worth to the similarity that an image keeps with itself. A mixture m in [0, 1] of the
image (1) and its blurred copy (0), pixel by pixel, has an embedding with the cosine c(m) to the image's own; the
derivative of c by m is what each pixel's detail is worth there. Methods differ in where they look.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.images import as_batch
from pfiq_jax.maps.pixel_quality import MAP_SIGMA, PixelQuality, pixel_quality
from pfiq_jax.maps.smoothing import gaussian_blur
from pfiq_jax.quality.methods import face_quality
from pfiq_jax.quality.ser_fiq import normalize
from pfiq_jax.recognizers.recognizer import Recognizer

BLUR_SIGMA = 11.0  # pixels: leaves of a face no more than where it is
SHAPLEY_PATCHES = 14  # a side
ORDER_PATCHES = 28  # a side
NOISE = 16.0  # grey levels
RATE = 0.15  # of Adam, in standard deviations of the order
SOFTNESS = 0.1  # of a mask's edge, likewise
INSERTION = 0.75  # its weight beside deletion's

Masks = Float[Array, "samples #batch height width 1"]


def smooth_grad(key: jax.Array, recognizer: Recognizer, images: ArrayLike, *, copies: int = 8) -> PixelQuality:
    """The default map, mean of noisy copies; higher is better.

    Args:
        key: a JAX random key; the same key gives the same map, in any batch.
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).
        copies: with Gaussian noise of 16 grey levels; each costs a forward and a backward pass.

    Raises:
        PfiqError: for images that do not fit.

    References:
        Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017.
    """
    batch = as_batch(images, recognizer.preprocessing.size)

    def explain_copy(copy: Array) -> PixelQuality:
        noise = NOISE * jax.random.normal(jax.random.fold_in(key, copy), batch.shape[1:])
        return pixel_quality(recognizer, batch + noise[None])

    results = jax.lax.map(explain_copy, jnp.arange(copies))
    return _like(images, PixelQuality(*(jnp.mean(each, 0) for each in results)))


def integrated_gradients(recognizer: Recognizer, images: ArrayLike, *, steps: int = 8) -> PixelQuality:
    """What each pixel's detail adds on the straight way from the blurred image to the image; higher is better.

    Signed: below 0.5 lie pixels whose detail takes away. Deterministic.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).
        steps: on the way; each costs a forward and a backward pass.

    Raises:
        PfiqError: for images that do not fit.

    References:
        Sundararajan et al., "Axiomatic attribution for deep networks", ICML 2017.
    """
    size = recognizer.preprocessing.size
    shares = (jnp.arange(steps, dtype=jnp.float32) + 0.5) / steps
    masks = jnp.broadcast_to(shares.reshape(-1, 1, 1, 1, 1), (steps, 1, *size, 1))
    return _by_mixtures(recognizer, images, masks, _signed)


def shapley(key: jax.Array, recognizer: Recognizer, images: ArrayLike, *, samples: int = 16) -> PixelQuality:
    """What each pixel's detail adds to random coalitions of 14x14 patches; higher is better.

    The Shapley value is the mean of the multilinear extension's derivative over coalitions that each patch joins with
    one probability, itself spread evenly over 0..1 (Owen 1972). Signed: below 0.5 lie pixels whose detail takes away.

    Args:
        key: a JAX random key; the same key gives the same map, in any batch.
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).
        samples: coalitions; each costs a forward and a backward pass.

    Raises:
        PfiqError: for images that do not fit.
    """
    return _by_mixtures(recognizer, images, _coalitions(key, recognizer, samples), _signed)


def learned_order(recognizer: Recognizer, images: ArrayLike, *, steps: int = 48) -> PixelQuality:
    """The order of pixels that keeps the face recognisable with few of them and loses it without; higher is better.

    Starts from the logarithm of the default map on 28x28 patches. Each step takes a share of the best patches, puts
    them into the blurred image and takes them out of the image, and learns from what both do to the similarity;
    insertion weighs more, since deletion is learned faster. Deterministic.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).
        steps: of Adam; each costs two forward and two backward passes.

    Raises:
        PfiqError: for images that do not fit.

    References:
        Fong et al., "Understanding deep networks via extremal perturbations and smooth masks", ICCV 2019.
    """
    batch = as_batch(images, recognizer.preprocessing.size)
    embeddings = []

    def quality(known: Recognizer, batch: Array) -> Array:
        embeddings.append(known.embed(batch))
        return face_quality(known, batch)

    start = pixel_quality(recognizer, batch, quality=quality)
    own = jax.lax.stop_gradient(normalize(embeddings[0]))
    blurred = gaussian_blur(batch, BLUR_SIGMA)
    odds = start.map / jnp.maximum(1 - start.map, 1e-6)  # the map before it was squashed
    first = _standard(jnp.log(jnp.maximum(_patch_means(odds), 1e-12)))
    adam = optax.adam(RATE)

    def loss(order: Array, share: Array) -> Array:
        full = _enlarge(order, batch.shape[1:3])
        least = jax.lax.stop_gradient(jnp.quantile(full, 1 - share, axis=(1, 2, 3), keepdims=True))
        mask = jax.nn.sigmoid((full - least) / SOFTNESS)
        inserted = recognizer.embed(blurred + mask * (batch - blurred))
        deleted = recognizer.embed(batch + mask * (blurred - batch))
        kept, left = (jnp.sum(normalize(each) * own) for each in (inserted, deleted))
        return (1 - INSERTION) * left - INSERTION * kept

    def step(carry, share):
        order, state = carry
        updates, state = adam.update(jax.grad(loss)(order, share), state)
        return (order + updates, state), None

    # The golden ratio's multiples: even at any number.
    shares = 0.05 + 0.9 * (jnp.arange(steps, dtype=jnp.float32) * 0.618034 % 1)
    # optax mixes dtypes and ranks, which stricter callers forbid
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        (order, _), _ = jax.lax.scan(step, (first, adam.init(first)), shares)
    full = _enlarge(order + first / 2, batch.shape[1:3])[..., 0]
    return _like(images, PixelQuality(start.quality, start.gradient, jax.nn.sigmoid(full)))


def _coalitions(key: jax.Array, recognizer: Recognizer, samples: int) -> Masks:
    height, width = recognizer.preprocessing.size
    shares = (jnp.arange(samples, dtype=jnp.float32) + 0.5) / samples
    draws = jax.random.uniform(key, (samples, SHAPLEY_PATCHES, SHAPLEY_PATCHES))
    joined = (draws < shares[:, None, None]).astype(jnp.float32)
    masks = jax.image.resize(joined, (samples, height, width), "nearest")[..., None]
    # Hard edges would be what the network sees first.
    return gaussian_blur(masks, height / SHAPLEY_PATCHES / 4)[:, None]


def _signed(worths: Float[Array, "samples batch height width 1"]) -> Float[Array, "batch height width 1"]:
    return gaussian_blur(jnp.mean(worths, 0), MAP_SIGMA)


def _by_mixtures(
    recognizer: Recognizer, images: ArrayLike, masks: Masks, combine: Callable[[Array], Array]
) -> PixelQuality:
    """A map from what pixels are worth at each of some mixtures, in the unit of its own mean."""
    batch = as_batch(images, recognizer.preprocessing.size)
    features = recognizer.features(batch)
    quality = face_quality(recognizer.with_features(features), batch)
    own = normalize(recognizer.head(features))
    blurred = gaussian_blur(batch, BLUR_SIGMA)

    def similarity(mixed: Array) -> Array:
        return jnp.sum(normalize(recognizer.embed(mixed)) * own)

    def gradient_at(mask: Array) -> Array:
        return jax.grad(similarity)(blurred + mask * (batch - blurred))

    gradients = jax.lax.map(gradient_at, masks)
    worths = jnp.sum(gradients * (batch - blurred)[None], -1, keepdims=True)
    map = jax.nn.sigmoid(_in_own_scale(combine(worths)))[..., 0]
    return _like(images, PixelQuality(quality, jnp.mean(gradients, 0), map))


def _patch_means(values: Float[Array, "batch height width"]) -> Float[Array, "batch rows columns 1"]:
    shape = (len(values), ORDER_PATCHES, ORDER_PATCHES)
    return jax.image.resize(values, shape, "linear", antialias=True)[..., None]


def _standard(values: Float[Array, "batch rows columns 1"]) -> Float[Array, "batch rows columns 1"]:
    centred = values - jnp.mean(values, (1, 2), keepdims=True)
    return centred / jnp.maximum(jnp.std(values, (1, 2), keepdims=True), 1e-6)


def _enlarge(
    patches: Float[Array, "batch rows columns 1"], size: tuple[int, ...]
) -> Float[Array, "batch height width 1"]:
    return jax.image.resize(patches, (len(patches), *size, 1), "linear")


def _in_own_scale(worth: Float[Array, "batch height width 1"]) -> Float[Array, "batch height width 1"]:
    return worth / jnp.maximum(jnp.mean(jnp.abs(worth), (1, 2), keepdims=True), 1e-12)


def _like(images: ArrayLike, result: PixelQuality) -> PixelQuality:
    """A batch's result in the shape of what was asked for: one image or a batch."""
    lead = jnp.shape(images)[:-3]
    return PixelQuality(*(each.reshape(*lead, *each.shape[1:]) for each in result))
