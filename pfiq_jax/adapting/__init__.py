"""Recognisers adapted to quality: heads that withstand dropout or predict quality, and training."""

from pfiq_jax.adapting.dropout_head import fit_dropout_head
from pfiq_jax.adapting.quality_head import fit_quality_head
from pfiq_jax.adapting.training import split_statistics, training_forward, with_parameters

__all__ = ["fit_dropout_head", "fit_quality_head", "split_statistics", "training_forward", "with_parameters"]
