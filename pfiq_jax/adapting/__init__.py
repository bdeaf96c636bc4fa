"""Adapt recognisers to quality: fit heads that are robust to dropout or predict quality, and train networks."""

from pfiq_jax.adapting.dropout_head import fit_dropout_head
from pfiq_jax.adapting.quality_head import fit_quality_head
from pfiq_jax.adapting.training import split_statistics, training_forward, with_parameters

__all__ = ["fit_dropout_head", "fit_quality_head", "split_statistics", "training_forward", "with_parameters"]
