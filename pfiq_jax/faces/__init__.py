"""From files and folders to batches of faces: image files, landmarks, alignment, batches."""

from pfiq_jax.faces.alignment import align
from pfiq_jax.faces.batches import over_files
from pfiq_jax.faces.image_files import expand_paths, read_image
from pfiq_jax.faces.reading import LANDMARK_COLUMNS, Face, Points, parse_landmarks, read_face, read_landmarks

__all__ = [
    "LANDMARK_COLUMNS",
    "Face",
    "Points",
    "align",
    "expand_paths",
    "over_files",
    "parse_landmarks",
    "read_face",
    "read_image",
    "read_landmarks",
]
