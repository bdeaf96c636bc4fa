"""One map per image: pixel quality and its alternatives, activation maps. ``methods.py`` holds their records."""

from jax import export

from pfiq_jax.maps.fit_good_faces import fit_good_faces
from pfiq_jax.maps.learned_order import learned_order
from pfiq_jax.maps.mean_activation import mean_activation
from pfiq_jax.maps.methods import (
    ACTIVATION_METHODS,
    DEFAULT_ACTIVATION_METHOD,
    DEFAULT_MAP_METHOD,
    MAP_METHODS,
    ActivationMethod,
    MapMethod,
)
from pfiq_jax.maps.mixtures import integrated_gradients, shapley
from pfiq_jax.maps.occlusion import occlusion
from pfiq_jax.maps.pixel_quality import PixelQuality, pixel_quality, quality_map
from pfiq_jax.maps.sampled_score_cam import sampled_score_cam
from pfiq_jax.maps.score_cam import score_cam
from pfiq_jax.maps.smooth_grad import smooth_grad

export.register_namedtuple_serialization(PixelQuality, serialized_name="pfiq_jax.PixelQuality")

__all__ = [
    "ACTIVATION_METHODS",
    "DEFAULT_ACTIVATION_METHOD",
    "DEFAULT_MAP_METHOD",
    "MAP_METHODS",
    "ActivationMethod",
    "MapMethod",
    "PixelQuality",
    "fit_good_faces",
    "integrated_gradients",
    "learned_order",
    "mean_activation",
    "occlusion",
    "pixel_quality",
    "quality_map",
    "sampled_score_cam",
    "score_cam",
    "shapley",
    "smooth_grad",
]
