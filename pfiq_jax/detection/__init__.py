"""Face detection: from photographs to boxes and landmarks."""

from pfiq_jax.detection import serialization
from pfiq_jax.detection.detect import detect
from pfiq_jax.detection.detector import Detector, load_detector
from pfiq_jax.detection.find_faces import find_faces
from pfiq_jax.detection.suppression import Faces
from pfiq_jax.detection.yunet import RawOutputs, YuNet

serialization.register()

__all__ = ["Detector", "Faces", "RawOutputs", "YuNet", "detect", "find_faces", "load_detector"]
