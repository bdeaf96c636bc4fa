"""One score per face: its quality for recognition. One file per method; ``methods.py`` holds their records."""

from pfiq_jax.quality.cr_fiqa import cr_fiqa
from pfiq_jax.quality.faceqan import faceqan
from pfiq_jax.quality.grafiqs import grafiqs
from pfiq_jax.quality.learned import learned
from pfiq_jax.quality.magface import magface, unified_quality_score
from pfiq_jax.quality.methods import (
    DEFAULT_QUALITY_METHOD,
    QUALITY_METHODS,
    QualityMethod,
    default_quality_method,
    embeddings_and_scores,
    face_quality,
    find_calibration,
    supported_methods,
)
from pfiq_jax.quality.prefiqs import prefiqs, pruned
from pfiq_jax.quality.relative_norm import relative_norm
from pfiq_jax.quality.ser_fiq import SER_FIQ_VARIANTS, SerFiqVariant, ser_fiq
from pfiq_jax.quality.ser_fiq_closed_form import ser_fiq_closed_form

__all__ = [
    "DEFAULT_QUALITY_METHOD",
    "QUALITY_METHODS",
    "SER_FIQ_VARIANTS",
    "QualityMethod",
    "SerFiqVariant",
    "cr_fiqa",
    "default_quality_method",
    "embeddings_and_scores",
    "face_quality",
    "faceqan",
    "find_calibration",
    "grafiqs",
    "learned",
    "magface",
    "prefiqs",
    "pruned",
    "relative_norm",
    "ser_fiq",
    "ser_fiq_closed_form",
    "supported_methods",
    "unified_quality_score",
]
