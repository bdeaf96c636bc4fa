"""How useful a face image is for recognition, and which of its pixels make it so."""

from pfiq_jax.errors import PfiqError
from pfiq_jax.pixels import PixelQuality, pixel_quality, quality_map
from pfiq_jax.quality import SER_FIQ_VARIANTS, cr_fiqa, magface, ser_fiq, ser_fiq_closed_form
from pfiq_jax.recognizers import (
    ARCFACE_MXNET,
    ARCFACE_TORCH,
    Architecture,
    InceptionResNetV1,
    IResNet,
    MobileFaceNet,
    Preprocessing,
    Recognizer,
    SFace,
    load_recognizer,
)

__all__ = [
    "ARCFACE_MXNET",
    "ARCFACE_TORCH",
    "SER_FIQ_VARIANTS",
    "Architecture",
    "IResNet",
    "InceptionResNetV1",
    "MobileFaceNet",
    "PfiqError",
    "PixelQuality",
    "Preprocessing",
    "Recognizer",
    "SFace",
    "cr_fiqa",
    "load_recognizer",
    "magface",
    "pixel_quality",
    "quality_map",
    "ser_fiq",
    "ser_fiq_closed_form",
]
