"""Millions of faces."""

from pfiq_jax.bulk.face_scorer import FaceScorer

__all__ = ["FaceScorer"]
