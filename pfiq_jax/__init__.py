"""How useful a face image is for recognition, and which of its pixels make it so."""

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers import (
    ARCFACE_MXNET,
    ARCFACE_TORCH,
    Architecture,
    IResNet,
    Preprocessing,
    Recognizer,
    SFace,
    load_recognizer,
)

__all__ = [
    "ARCFACE_MXNET",
    "ARCFACE_TORCH",
    "Architecture",
    "IResNet",
    "PfiqError",
    "Preprocessing",
    "Recognizer",
    "SFace",
    "load_recognizer",
]
