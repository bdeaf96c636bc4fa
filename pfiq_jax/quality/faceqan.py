"""FaceQAN: quality as how little adversarial noise moves the embedding.

Source: Babnik, Peer, Štruc, "FaceQAN: Face Image Quality Assessment Through Adversarial Noise Exploration", ICPR 2022,
and the code of its authors, whose defaults these are.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.images import as_batch
from pfiq_jax.quality.ser_fiq import normalize, safe_sqrt
from pfiq_jax.recognizers.recognizer import Recognizer

EXPONENT = 5


def faceqan(
    key: jax.Array,
    recognizer: Recognizer,
    images: ArrayLike,
    *,
    epsilon: float = 0.001,
    iterations: int = 5,
    num_starts: int = 10,
) -> Float[Array, "*batch"]:
    """Quality as (((1 + mean S) / 2) * clip(1 - std S, 0, 1) * s)^5; higher is better.

    S are the cosines of the face's embedding to those of noisy copies, s the one to that of the face's mirror image.
    Each copy starts with uniform noise in -epsilon..epsilon and takes steps of epsilon in the direction, a sign a pixel
    and channel, in which the cosine falls (basic iterative method). As in the published code S holds the cosine before
    each step, the start's among them and that after the last step not; steps are not held within epsilon of the face;
    and since that code runs on pixels scaled to 0..1, epsilon is in units of 255 grey levels whatever the network's own
    scale, and copies are cut off above 255, below only at -255.

    All images of a batch see the same noise, drawn from the key alone, so an image's score does not depend on its
    batch. Some hundred passes: ``num_starts * iterations`` forward and backward, one forward for the mirror image.
    Differentiable with finite gradients; the noise counts as given.

    Args:
        key: a JAX random key; the same key gives the same score.
        recognizer: best the one that will be deployed.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).
        epsilon: of the noise and of each step, relative to 255 grey levels.
        iterations: the paper's l; cosines that each copy gives.
        num_starts: the paper's k; copies of a face.

    Returns:
        One score an image, at most 1; about 0 to 1, negative only where the mirror image's embedding points away.

    Raises:
        PfiqError: for fewer than one iteration or start, and for images that do not fit.

    References:
        Babnik et al., ICPR 2022, section 3.
    """
    if min(iterations, num_starts) < 1:
        raise PfiqError(f"iterations is {iterations}, num_starts is {num_starts}; give 1 or more of each.")
    batch = as_batch(images, recognizer.preprocessing.size)
    face = normalize(recognizer.embed(batch))
    whole = recognizer.without_features()

    def cosine(others: Array) -> Float[Array, " batch"]:
        return jnp.sum(face * normalize(whole.embed(others)), -1)

    def step(copies: Array, _: None) -> tuple[Array, Array]:
        cosines, pull_back = jax.vjp(cosine, copies)
        (uphill,) = pull_back(jnp.ones_like(cosines))
        move = 255 * epsilon * jax.lax.stop_gradient(jnp.sign(uphill))
        return jnp.clip(copies - move, -255, 255), cosines

    def attack(start: Array) -> Float[Array, "iterations batch"]:
        noise = jax.random.uniform(jax.random.fold_in(key, start), batch.shape[1:], minval=-1, maxval=1)
        copies = jnp.clip(batch + 255 * epsilon * noise[None], -255, 255)
        return jax.lax.scan(step, copies, length=iterations)[1]

    cosines = jax.lax.map(attack, jnp.arange(num_starts))
    deviation = safe_sqrt(jnp.var(cosines, (0, 1)))
    robustness = (1 + jnp.mean(cosines, (0, 1))) / 2 * jnp.clip(1 - deviation, 0, 1)
    return ((robustness * cosine(batch[:, :, ::-1])) ** EXPONENT).reshape(jnp.shape(images)[:-3])
