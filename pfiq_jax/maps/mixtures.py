"""Maps from mixtures of the image and a blurred copy: integrated gradients and Shapley values.

A mixture m takes each pixel between the blurred copy (0) and the image (1). Its embedding has the cosine similarity
c(m) to the image's own embedding. The derivative of c by m measures how much the detail of each pixel adds at that
mixture. The two methods differ in the mixtures at which they evaluate it.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.bounds import at_least
from pfiq_jax.errors import check_count
from pfiq_jax.maps.pixel_quality import PixelQuality
from pfiq_jax.maps.smoothing import blurred_fill, gaussian_blur
from pfiq_jax.quality.methods import face_quality
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import TINY, normalize

SHAPLEY_PATCHES = 14  # per side
MAP_SIGMA = 4.0  # pixels

Masks = Float[Array, "samples #batch height width 1"]


@per_face
def integrated_gradients(recognizer: Recognizer, images: Images, *, steps: int = 8) -> PixelQuality:
    """How much each pixel's detail adds to the similarity, from the blurred image to the image; higher is better.

    The mixtures lie on the straight path between the two. The map is signed: the detail of pixels below 0.5 makes the
    face less similar to itself. Deterministic.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        steps: number of mixtures on the path; each costs a forward and a backward pass.

    Raises:
        PfiqError: for fewer than one step, and for images of another shape, dtype or range.

    References:
        Sundararajan et al., "Axiomatic attribution for deep networks", ICML 2017.
    """
    check_count("steps", steps)
    size = recognizer.preprocessing.size
    shares = (jnp.arange(steps, dtype=jnp.float32) + 0.5) / steps
    masks = jnp.broadcast_to(shares.reshape(-1, 1, 1, 1, 1), (steps, 1, *size, 1))
    return _by_mixtures(recognizer, images, masks)


@per_face
def shapley(key: jax.Array, recognizer: Recognizer, images: Images, *, samples: int = 16) -> PixelQuality:
    """How much each pixel's detail adds to random coalitions of 14x14 patches; higher is better.

    The Shapley value is the mean derivative of the multilinear extension over random coalitions. All patches join a
    coalition with the same probability, and these probabilities are spread evenly over 0..1 (Owen 1972). The map is
    signed: the detail of pixels below 0.5 makes the face less similar to itself.

    Args:
        key: a JAX random key; the same key gives the same map, in any batch.
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        samples: number of coalitions; each costs a forward and a backward pass.

    Raises:
        PfiqError: for fewer than one sample, and for images of another shape, dtype or range.
    """
    check_count("samples", samples)
    return _by_mixtures(recognizer, images, _coalitions(key, recognizer, samples))


def _coalitions(key: jax.Array, recognizer: Recognizer, samples: int) -> Masks:
    height, width = recognizer.preprocessing.size
    shares = (jnp.arange(samples, dtype=jnp.float32) + 0.5) / samples
    draws = jax.random.uniform(key, (samples, SHAPLEY_PATCHES, SHAPLEY_PATCHES), jnp.float32)
    joined = (draws < shares[:, None, None]).astype(jnp.float32)
    masks = jax.image.resize(joined, (samples, height, width), "nearest")[..., None]
    # The network would react to hard edges first.
    return gaussian_blur(masks, height / SHAPLEY_PATCHES / 4)[:, None]


def _by_mixtures(recognizer: Recognizer, images: Images, masks: Masks) -> PixelQuality:
    """The map of how much pixels add at some mixtures, in units of its own mean."""
    seen = recognizer.forward(images)
    own = normalize(seen.embedding)
    blurred = blurred_fill(seen.images)
    detail = seen.images - blurred

    def similarity(mixed: Float[Array, "batch height width 3"]) -> Float[Array, ""]:
        return jnp.sum(normalize(recognizer.embed(mixed)) * own)

    gradients = jax.lax.map(lambda mask: jax.grad(similarity)(blurred + mask * detail), masks)
    worths = jnp.sum(gradients * detail[None], -1, keepdims=True)
    worth = gaussian_blur(jnp.mean(worths, 0), MAP_SIGMA)
    unit = at_least(jnp.mean(jnp.abs(worth), (1, 2), keepdims=True), TINY)
    return PixelQuality(face_quality(recognizer, seen), jnp.mean(gradients, 0), jax.nn.sigmoid(worth / unit)[..., 0])
