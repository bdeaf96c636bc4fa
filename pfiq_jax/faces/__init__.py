"""From files and folders to batches of aligned faces: image files, landmarks, alignment and batches."""

from pfiq_jax.faces.alignment import align
from pfiq_jax.faces.batches import over_files
from pfiq_jax.faces.demo_face import DEMO_FACE, demo_face
from pfiq_jax.faces.folders import expand_paths, left_out
from pfiq_jax.faces.image_files import read_image
from pfiq_jax.faces.landmarks import LANDMARK_COLUMNS, parse_landmarks, read_landmarks
from pfiq_jax.faces.people import People, one_face_each, people_in
from pfiq_jax.faces.reading import Face, ReadFaces, faces_or_error, read_face

__all__ = [
    "DEMO_FACE",
    "LANDMARK_COLUMNS",
    "Face",
    "People",
    "ReadFaces",
    "align",
    "demo_face",
    "expand_paths",
    "faces_or_error",
    "left_out",
    "one_face_each",
    "over_files",
    "parse_landmarks",
    "people_in",
    "read_face",
    "read_image",
    "read_landmarks",
]
