"""Photographs to faces with landmarks."""

from pfiq_jax.detection.detector import Detector, load_detector
from pfiq_jax.detection.yunet import RawOutputs, YuNet

__all__ = ["Detector", "RawOutputs", "YuNet", "load_detector"]
