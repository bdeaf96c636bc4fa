"""Recognisers adapted to quality: a head that withstands dropout, and training."""

from pfiq_jax.adapting.dropout_head import fit_dropout_head
from pfiq_jax.adapting.training import split_statistics, training_forward, with_parameters

__all__ = ["fit_dropout_head", "split_statistics", "training_forward", "with_parameters"]
