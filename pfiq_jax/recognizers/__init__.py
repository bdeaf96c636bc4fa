"""Face recognition networks: image -> features -> units -> embedding."""

from pfiq_jax.recognizers import serialization
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.forward import Forward, Images, per_face
from pfiq_jax.recognizers.inception_resnet import InceptionResNetV1
from pfiq_jax.recognizers.iresnet import IResNet
from pfiq_jax.recognizers.mobilefacenet import MobileFaceNet
from pfiq_jax.recognizers.precision import Precision
from pfiq_jax.recognizers.preprocessing import ARCFACE_MXNET, ARCFACE_TORCH, PIXELS, Preprocessing
from pfiq_jax.recognizers.provenance import Provenance
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.recognizers.sface import SFace
from pfiq_jax.recognizers.weights_file import load_recognizer

serialization.register()

__all__ = [
    "ARCFACE_MXNET",
    "ARCFACE_TORCH",
    "PIXELS",
    "Architecture",
    "Forward",
    "IResNet",
    "Images",
    "InceptionResNetV1",
    "MobileFaceNet",
    "Precision",
    "Preprocessing",
    "Provenance",
    "Recognizer",
    "SFace",
    "load_recognizer",
    "per_face",
]
