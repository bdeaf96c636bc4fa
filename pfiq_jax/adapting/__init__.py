"""Recognisers adapted to quality: training."""

from pfiq_jax.adapting.training import split_statistics, training_forward, with_parameters

__all__ = ["split_statistics", "training_forward", "with_parameters"]
