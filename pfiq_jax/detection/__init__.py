"""Photographs to faces with landmarks."""

from pfiq_jax.detection.detect import detect
from pfiq_jax.detection.detector import Detector, load_detector
from pfiq_jax.detection.suppression import Faces
from pfiq_jax.detection.yunet import RawOutputs, YuNet

__all__ = ["Detector", "Faces", "RawOutputs", "YuNet", "detect", "load_detector"]
