"""One number a face: its quality for recognition."""

from pfiq_jax.quality.cr_fiqa import cr_fiqa
from pfiq_jax.quality.faceqan import faceqan
from pfiq_jax.quality.grafiqs import grafiqs
from pfiq_jax.quality.magface import magface, unified_quality_score
from pfiq_jax.quality.methods import (
    OPT_IN_METHODS,
    QUALITY_METHODS,
    calibration_of,
    default_quality_method,
    face_quality,
    find_calibration,
)
from pfiq_jax.quality.prefiqs import prefiqs, pruned
from pfiq_jax.quality.relative_norm import relative_norm
from pfiq_jax.quality.ser_fiq import SER_FIQ_VARIANTS, ser_fiq, ser_fiq_closed_form

__all__ = [
    "OPT_IN_METHODS",
    "QUALITY_METHODS",
    "SER_FIQ_VARIANTS",
    "calibration_of",
    "cr_fiqa",
    "default_quality_method",
    "face_quality",
    "faceqan",
    "find_calibration",
    "grafiqs",
    "magface",
    "prefiqs",
    "pruned",
    "relative_norm",
    "ser_fiq",
    "ser_fiq_closed_form",
    "unified_quality_score",
]
