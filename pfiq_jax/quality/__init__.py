"""One number a face: its quality for recognition."""

from pfiq_jax.quality.calibration import calibrate, failure_probability, percentile, scale
from pfiq_jax.quality.cr_fiqa import cr_fiqa
from pfiq_jax.quality.magface import magface
from pfiq_jax.quality.methods import QUALITY_METHODS, calibration_of, default_quality_method, face_quality
from pfiq_jax.quality.relative_norm import relative_norm
from pfiq_jax.quality.ser_fiq import SER_FIQ_VARIANTS, ser_fiq, ser_fiq_closed_form

__all__ = [
    "QUALITY_METHODS",
    "SER_FIQ_VARIANTS",
    "calibrate",
    "calibration_of",
    "cr_fiqa",
    "default_quality_method",
    "face_quality",
    "failure_probability",
    "magface",
    "percentile",
    "relative_norm",
    "scale",
    "ser_fiq",
    "ser_fiq_closed_form",
]
