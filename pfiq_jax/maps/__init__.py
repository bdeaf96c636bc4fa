"""One map per image: pixel quality and its alternatives, activation maps."""

from pfiq_jax.maps.activation_methods import ACTIVATION_METHODS, DEFAULT_ACTIVATION_METHOD
from pfiq_jax.maps.many_passes import integrated_gradients, learned_order, shapley, smooth_grad
from pfiq_jax.maps.methods import MAP_METHODS
from pfiq_jax.maps.pixel_quality import PixelQuality, pixel_quality, quality_map
from pfiq_jax.maps.sampled_score_cam import mean_activation, sampled_score_cam
from pfiq_jax.maps.score_cam import score_cam

__all__ = [
    "ACTIVATION_METHODS",
    "DEFAULT_ACTIVATION_METHOD",
    "MAP_METHODS",
    "PixelQuality",
    "integrated_gradients",
    "learned_order",
    "mean_activation",
    "pixel_quality",
    "quality_map",
    "sampled_score_cam",
    "score_cam",
    "shapley",
    "smooth_grad",
]
