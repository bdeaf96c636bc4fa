"""SER-FIQ without masks: the limit of many masks, from the weights of the head.

Introduced here. See ``quality/ser_fiq.py`` for the method itself.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.bounds import at_least
from pfiq_jax.errors import check_share
from pfiq_jax.quality.ser_fiq import SerFiqVariant, raw_score, without_output_norm
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.network import Units
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import TINY, safe_sqrt, squared_norm


@per_face
def ser_fiq_closed_form(
    recognizer: Recognizer,
    images: Images,
    *,
    dropout_rate: float = SerFiqVariant.dropout_rate,
    output_norm: bool = True,
) -> Float[Array, "*batch"]:
    """The raw score q of SER-FIQ in the limit of many masks, without a random number; higher is better.

    It costs one more product with the head's matrix than the embedding. Differentiable with finite gradients.

    After the dropout the head is affine, so the embedding is ``y + n`` with ``E[n] = 0``. For units z and columns
    ``W_k`` of the head's matrix, the covariance of n is ``c sum_k z_k^2 W_k W_k^T`` with ``c = p / (1 - p)``. The
    relative variance of n is ``a = c sum_k z_k^2 (y . W_k)^2 / |y|^4`` along y, and
    ``s = c sum_k z_k^2 |W_k|^2 / |y|^2 - a`` across y. On the sphere, n moves the embedding by ``t = s (1 + 3 a)``,
    where the second factor is for ``E[1 / (1 + radial)^2]``. The root mean square distance of two independent moves is
    ``sqrt(2 t / (1 + t))``. The mean of a length that spreads over dim - 1 directions is smaller than its root mean
    square by the factor ``1 - 1 / (4 (dim - 1))``.

    Args:
        recognizer: preferably one that was trained with dropout, and the one that will be deployed.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        dropout_rate: by default the published rate. The rate that the network was trained with is
            ``recognizer.dropout_rate``.
        output_norm: False leaves out the head's last BatchNorm; see ``SER_FIQ_VARIANTS``.

    Returns:
        One raw score per image, in (0.23, 1]. ``face_quality`` and ``PUBLISHED_SER_FIQ.scale`` scale it to (0, 1).

    Raises:
        PfiqError: for a dropout rate outside (0, 1), and for images of another shape, dtype or range.

    Example:
        >>> raw = pfiq_jax.ser_fiq_closed_form(recognizer, recognizer.forward(face))
        >>> round(float(raw), 3), round(float(pfiq_jax.PUBLISHED_SER_FIQ.scale(raw)), 2)
        (0.895, 0.87)
    """
    check_share("dropout_rate", dropout_rate)
    units = recognizer.forward(images).units
    if not output_norm:
        recognizer = without_output_norm(recognizer)
    embedding, pull_back = jax.vjp(recognizer.project, units)
    # Lengths are relative to the embedding's, so any unit of length will do. This one keeps fourth powers in range.
    unit = jax.lax.stop_gradient(1 / at_least(jnp.max(jnp.abs(embedding), -1, keepdims=True), TINY))
    embedding = embedding * unit
    squared_length = at_least(squared_norm(embedding), TINY)
    (radial,) = pull_back(embedding * unit)  # y . W_k

    def noise(gains: Float[Array, "#batch *places channels"]) -> Float[Array, " batch"]:
        odds = dropout_rate / (1 - dropout_rate)
        return odds * jnp.sum(jnp.square(units) * gains, range(1, units.ndim)) / squared_length

    along = noise(jnp.square(radial) / jnp.expand_dims(squared_length, range(1, units.ndim)))
    total = noise(squared_gains(recognizer, units)[None]) * jnp.square(unit[:, 0])
    move = at_least(total - along, 0.0) * (1 + 3 * along)
    shorter = 1 - 1 / (4 * (embedding.shape[-1] - 1))
    return raw_score(safe_sqrt(2 * move / (1 + move)) * shorter)


def squared_gains(recognizer: Recognizer, units: Units) -> Float[Array, "..."]:
    """|W_k|^2: squared length of the change of the embedding if unit k grows by 1; shaped like one image's units."""
    if isinstance(recognizer.network, Architecture):
        return recognizer.network.module("head", recognizer.parameters).squared_gains()
    jacobian = jax.jacrev(lambda unit: recognizer.project(unit[None])[0])(jnp.zeros(units.shape[1:], jnp.float32))
    return jnp.sum(jnp.square(jacobian), axis=0)
