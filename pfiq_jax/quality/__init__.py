"""One number a face: its quality for recognition."""

from pfiq_jax.quality.ser_fiq import SER_FIQ_VARIANTS, ser_fiq, ser_fiq_closed_form

__all__ = ["SER_FIQ_VARIANTS", "ser_fiq", "ser_fiq_closed_form"]
