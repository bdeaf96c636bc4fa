"""FaceQAN: quality as the robustness of the embedding under adversarial noise.

Source: Babnik, Peer, Štruc, "FaceQAN: Face Image Quality Assessment Through Adversarial Noise Exploration", ICPR 2022,
and the code of its authors, whose defaults are used here.

The published code departs from the paper in three places, and ``faceqan`` follows the code:

- S holds the similarity before each step. It includes that of the start, but not the one after the last step.
- Steps may leave the range of epsilon around the face.
- The code runs on pixels scaled to 0..1. Epsilon is therefore relative to 255 grey levels, whatever the scale of the
  network, and copies are clipped at 255 and at -255.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.bounds import at_least, at_most
from pfiq_jax.errors import check_count, check_share
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import normalize, safe_sqrt

EXPONENT = 5


@per_face
def faceqan(
    key: jax.Array,
    recognizer: Recognizer,
    images: Images,
    *,
    epsilon: float = 0.001,
    iterations: int = 5,
    num_starts: int = 10,
) -> Float[Array, "*batch"]:
    """Quality as (((1 + mean S) / 2) * clip(1 - std S, 0, 1) * s)^5; higher is better.

    S are the cosine similarities of the face's embedding to those of noisy copies, s the similarity to the embedding
    of the face's mirror image. Each copy starts with uniform noise in -epsilon..epsilon, and takes steps of epsilon in
    the direction (one sign per pixel and channel) in which the similarity falls (basic iterative method).

    All images of a batch get the same noise, which depends on the key alone. The score of an image does therefore not
    depend on its batch. It takes ``num_starts * iterations`` forward and backward passes, and one forward pass for the
    mirror image. Differentiable with finite gradients; the noise counts as constant.

    Args:
        key: a JAX random key; the same key gives the same score.
        recognizer: preferably the one that will be deployed.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        epsilon: size of the noise and of each step, relative to 255 grey levels; between 0 and 1.
        iterations: the paper's l; similarities per copy.
        num_starts: the paper's k; copies per face.

    Returns:
        One score per image, at most 1. It is negative only if the similarity to the mirror image is.

    Raises:
        PfiqError: for counts below 1, another ``epsilon``, and images of another shape, dtype or range.

    References:
        Babnik et al., ICPR 2022, section 3.
    """
    check_count("iterations", iterations)
    check_count("num_starts", num_starts)
    check_share("epsilon", epsilon)
    seen = recognizer.forward(images)
    pixels, face = seen.images, normalize(seen.embedding)

    def cosine(others: Array) -> Float[Array, " batch"]:
        return jnp.sum(face * normalize(recognizer.embed(others)), -1)

    def step(copies: Array, _: None) -> tuple[Array, Array]:
        cosines, pull_back = jax.vjp(cosine, copies)
        (uphill,) = pull_back(jnp.ones_like(cosines))
        move = 255 * epsilon * jax.lax.stop_gradient(jnp.sign(uphill))
        return _clipped(copies - move), cosines

    def attack(start: Array) -> Float[Array, "iterations batch"]:
        noise = jax.random.uniform(jax.random.fold_in(key, start), pixels.shape[1:], jnp.float32, minval=-1, maxval=1)
        copies = _clipped(pixels + 255 * epsilon * noise[None])
        return jax.lax.scan(step, copies, length=iterations)[1]

    cosines = jax.lax.map(attack, jnp.arange(num_starts))
    deviation = safe_sqrt(jnp.var(cosines, (0, 1)))
    robustness = (1 + jnp.mean(cosines, (0, 1))) / 2 * at_least(1 - deviation, 0.0)
    return (robustness * cosine(pixels[:, :, ::-1])) ** EXPONENT


def _clipped(copies: Float[Array, "batch height width 3"]) -> Float[Array, "batch height width 3"]:
    return at_most(at_least(copies, -255.0), 255.0)
