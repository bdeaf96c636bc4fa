"""The quality methods by name, and the score of a face by any of them."""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
from jaxtyping import Array, Float

from pfiq_jax.calibration import PUBLISHED, Calibration
from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.methods import Method
from pfiq_jax.quality.cr_fiqa import cr_fiqa, missing_quality_head
from pfiq_jax.quality.faceqan import faceqan
from pfiq_jax.quality.grafiqs import Block, grafiqs, missing_statistics
from pfiq_jax.quality.learned import learned, missing_learned_head
from pfiq_jax.quality.magface import magface
from pfiq_jax.quality.prefiqs import prefiqs
from pfiq_jax.quality.relative_norm import relative_norm
from pfiq_jax.quality.ser_fiq import ser_fiq
from pfiq_jax.quality.ser_fiq_closed_form import ser_fiq_closed_form
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer


@dataclass(frozen=True)
class QualityMethod(Method[Array]):
    """The record of a quality method; ``compute`` returns one raw score per face, higher is better.

    Attributes:
        on_request: whether ``pfiq evaluate scores`` leaves out the method unless ``--quality`` chooses it.
        scale_of: name of the method whose calibration scales these scores too; None for the calibration of this method.
    """

    on_request: bool = False
    scale_of: str | None = None


def _with_fixed_key(compute: Callable[..., Any]) -> Callable[[Recognizer, Images], Array]:
    return lambda recognizer, images: compute(jax.random.key(0), recognizer, images)


def _grafiqs_at(block: Block, where: str, *, on_request: bool = True) -> QualityMethod:
    return QualityMethod(
        functools.partial(grafiqs, block=block),
        f"fit to the BatchNorm statistics (GraFIQs), gradient at {where}",
        forward_passes=1,
        backward_passes=1,
        missing=missing_statistics,
        on_request=on_request,
    )


QUALITY_METHODS: Mapping[str, QualityMethod] = MappingProxyType(
    {
        "relative_norm": QualityMethod(relative_norm, "length of the embedding over the uniform shift of the features"),
        "ser_fiq_closed_form": QualityMethod(ser_fiq_closed_form, "robustness under dropout, in closed form"),
        "ser_fiq": QualityMethod(
            _with_fixed_key(ser_fiq), "robustness under 100 dropout masks (SER-FIQ)", scale_of="ser_fiq_closed_form"
        ),
        "magface": QualityMethod(magface, "length of the embedding"),
        "cr_fiqa": QualityMethod(cr_fiqa, "output of a trained quality head", missing=missing_quality_head),
        "learned": QualityMethod(
            learned, "output of a head fitted to faces of known people", missing=missing_learned_head
        ),
        "prefiqs": QualityMethod(prefiqs, "robustness when 40% of the weights are pruned", forward_passes=2),
        "grafiqs": _grafiqs_at(1, "block 1", on_request=False),
        "grafiqs_image": _grafiqs_at("image", "the image"),
        "grafiqs_block2": _grafiqs_at(2, "block 2"),
        "grafiqs_block3": _grafiqs_at(3, "block 3"),
        "grafiqs_block4": _grafiqs_at(4, "block 4"),
        "faceqan": QualityMethod(
            _with_fixed_key(faceqan),
            "robustness under small adversarial attacks",
            forward_passes=51,
            backward_passes=50,
            on_request=True,
        ),
    }
)
"""Every quality method's record by its name."""

DEFAULT_QUALITY_METHOD = "relative_norm"
"""The method of one pass with the lowest pAUC on both networks measured."""


def default_quality_method(recognizer: Recognizer) -> str:
    """``relative_norm`` if the recogniser has a calibration for it, otherwise ``ser_fiq_closed_form``."""
    return DEFAULT_QUALITY_METHOD if DEFAULT_QUALITY_METHOD in recognizer.calibrations else "ser_fiq_closed_form"


@per_face
def face_quality(recognizer: Recognizer, images: Images, *, method: str | None = None) -> Float[Array, "*batch"]:
    """How useful faces are for recognition, between 0 and 1; higher is better. Differentiable with finite gradients.

    It is the raw score of a method on the scale that was fitted to the recogniser. About half of the faces that the
    recogniser was calibrated on have a quality below 0.5, and their quality spreads over the whole range.

    A recogniser without a calibration has only the published scale of SER-FIQ, which was fitted to another network and
    can give all its faces nearly 0 or nearly 1. Fit a scale with ``pfiq calibrate`` or ``Calibration.fit``, or use raw
    scores, which rank faces on every network.

    Args:
        recognizer: preferably the one that will be deployed.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        method: one of ``QUALITY_METHODS``. By default "relative_norm" if the recogniser has a calibration for it,
            otherwise "ser_fiq_closed_form".

    Raises:
        PfiqError: for an unknown method, a method without a scale on this recogniser, and images of another shape,
            dtype or range.

    Example:
        >>> round(float(pfiq_jax.face_quality(recognizer, face)), 2)
        0.69
        >>> dark = face // 8
        >>> round(float(pfiq_jax.face_quality(recognizer, dark)), 2)
        0.47
    """
    name = default_quality_method(recognizer) if method is None else method
    check_choice("method", name, QUALITY_METHODS)
    calibration = find_calibration(recognizer, name)
    if calibration is None:
        raise PfiqError(f"{name}: has no scale on this recogniser; fit one with `pfiq calibrate`, or use raw scores.")
    return calibration.scale(QUALITY_METHODS[name].compute(recognizer, images))


def find_calibration(recognizer: Recognizer, method: str) -> Calibration | None:
    """The scale of a method's raw scores: fitted to the recogniser, otherwise the published one, otherwise None.

    Only SER-FIQ has a published scale, ``PUBLISHED_SER_FIQ``. It was fitted to another network.

    Example:
        >>> calibration = pfiq_jax.find_calibration(recognizer, "relative_norm")
        >>> calibration.reference
        'Labeled Faces in the Wild, half of them disturbed, 750 faces'
    """
    name = QUALITY_METHODS[method].scale_of or method
    return recognizer.calibrations.get(name) or PUBLISHED.get(name)


def supported_methods(recognizer: Recognizer, names: Iterable[str] = QUALITY_METHODS) -> tuple[str, ...]:
    """Those of the named ``QUALITY_METHODS`` for which the recogniser lacks nothing."""
    return tuple(name for name in names if QUALITY_METHODS[name].missing(recognizer) is None)


@per_face
def embeddings_and_scores(
    recognizer: Recognizer, images: Images, *, methods: tuple[str, ...]
) -> tuple[Float[Array, "*batch dim"], dict[str, Float[Array, "*batch"]]]:
    """The embedding and the raw scores of each face, from one pass through the trunk.

    Args:
        recognizer: the network whose errors the scores should predict.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        methods: names of ``QUALITY_METHODS``.

    Raises:
        PfiqError: for a method for which the recogniser lacks something, and for images of another shape, dtype or
            range.
    """
    seen = recognizer.forward(images)
    return seen.embedding, {name: QUALITY_METHODS[name].compute(recognizer, seen) for name in methods}
