"""One number a face: its quality for recognition."""

from pfiq_jax.quality.cr_fiqa import cr_fiqa
from pfiq_jax.quality.magface import magface
from pfiq_jax.quality.ser_fiq import SER_FIQ_VARIANTS, ser_fiq, ser_fiq_closed_form

__all__ = ["SER_FIQ_VARIANTS", "cr_fiqa", "magface", "ser_fiq", "ser_fiq_closed_form"]
