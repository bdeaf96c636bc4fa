"""The quality methods by name, and the score of a face by any of them."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.calibration import Calibration, scale
from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.quality.cr_fiqa import cr_fiqa
from pfiq_jax.quality.faceqan import faceqan
from pfiq_jax.quality.grafiqs import grafiqs
from pfiq_jax.quality.magface import magface
from pfiq_jax.quality.prefiqs import prefiqs
from pfiq_jax.quality.relative_norm import relative_norm
from pfiq_jax.quality.ser_fiq import ALPHA, R, ser_fiq, ser_fiq_closed_form
from pfiq_jax.recognizers.recognizer import Recognizer

QualityMethod = Callable[[Recognizer, ArrayLike], jax.Array]

QUALITY_METHODS: Mapping[str, QualityMethod] = MappingProxyType(
    {
        "relative_norm": relative_norm,
        "ser_fiq_closed_form": partial(ser_fiq_closed_form, scaled=False),
        "ser_fiq": lambda recognizer, images: jnp.asarray(ser_fiq(jax.random.key(0), recognizer, images, scaled=False)),
        "magface": magface,
        "cr_fiqa": cr_fiqa,
        "prefiqs": prefiqs,
        "grafiqs": grafiqs,
        "grafiqs_image": partial(grafiqs, block="image"),
        "grafiqs_block2": partial(grafiqs, block=2),
        "grafiqs_block3": partial(grafiqs, block=3),
        "grafiqs_block4": partial(grafiqs, block=4),
        "faceqan": lambda recognizer, images: faceqan(jax.random.key(0), recognizer, images),
    }
)
"""(recogniser, images) -> one raw score an image, higher is better.

Given known features they cost the head alone, but for those that run the trunk on more than the image, or backwards:
PreFIQs, GraFIQs and FaceQAN. What draws random numbers draws them from a key of its own, so it repeats.
"""

OPT_IN_METHODS = ("grafiqs_image", "grafiqs_block2", "grafiqs_block3", "grafiqs_block4", "faceqan")
"""Those that ``pfiq evaluate scores`` leaves out unless they are named: GraFIQs at other places than where it measured
best, and FaceQAN, which takes a hundred passes."""

DEFAULT_QUALITY_METHOD = "relative_norm"  # of those that cost one pass, the best on both networks measured
PUBLISHED_SER_FIQ = Calibration("ser_fiq_closed_form", ALPHA, R, (), "the published scale, of another network")


def default_quality_method(recognizer: Recognizer) -> str:
    """The method that measured best, or where it was not calibrated SER-FIQ, which has a published scale."""
    return DEFAULT_QUALITY_METHOD if recognizer.calibration(DEFAULT_QUALITY_METHOD) else "ser_fiq_closed_form"


def face_quality(recognizer: Recognizer, images: ArrayLike, *, method: str | None = None) -> Float[Array, "*batch"]:
    """How useful faces are for recognition, between 0 and 1; higher is better. Differentiable with finite gradients.

    The raw score of a method on the scale that was fitted to the recogniser: half of the faces that it was calibrated
    on score below 0.5, and they spread over all of the range. SER-FIQ has a published scale beside.

    Args:
        recognizer: best the one that will be deployed.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).
        method: one of ``QUALITY_METHODS``. None for "relative_norm" where the recogniser was calibrated for it, else
            "ser_fiq_closed_form".

    Raises:
        PfiqError: for an unknown method, one without a scale on this recogniser, or images that do not fit.
    """
    name = default_quality_method(recognizer) if method is None else method
    check_choice("method", name, QUALITY_METHODS)
    return scale(QUALITY_METHODS[name](recognizer, images), calibration_of(recognizer, name))


def find_calibration(recognizer: Recognizer, method: str) -> Calibration | None:
    """What a method's raw scores mean: as fitted to the recogniser, for SER-FIQ else as published; or None."""
    kind = "ser_fiq_closed_form" if method == "ser_fiq" else method  # masks have the closed form as their limit
    published = PUBLISHED_SER_FIQ if kind == PUBLISHED_SER_FIQ.method else None
    return recognizer.calibration(kind) or published


def calibration_of(recognizer: Recognizer, method: str) -> Calibration:
    """What a method's raw scores mean: as fitted to the recogniser, for SER-FIQ else as published.

    Raises:
        PfiqError: for a method without a scale on this recogniser.
    """
    calibration = find_calibration(recognizer, method)
    if calibration is None:
        raise PfiqError(f"{method} has no scale on {recognizer}; fit one with `pfiq calibrate`, or read raw scores.")
    return calibration
