"""Many faces: reading, aligning, batching."""

from pfiq_jax.scoring.faces import LANDMARK_COLUMNS, Face, Points, parse_landmarks, read_face, read_landmarks
from pfiq_jax.scoring.reading import expand_paths, read_image
from pfiq_jax.scoring.score import Score, explain, over_files, score_files

__all__ = [
    "LANDMARK_COLUMNS",
    "Face",
    "Points",
    "Score",
    "expand_paths",
    "explain",
    "over_files",
    "parse_landmarks",
    "read_face",
    "read_image",
    "read_landmarks",
    "score_files",
]
