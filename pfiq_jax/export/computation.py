"""The functions of exported programs. They return dictionaries of arrays, which need no class of this library."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from pfiq_jax.detection import Detector, Faces, detect
from pfiq_jax.faces import align
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.scoring import score_batch

Results = dict[str, Array]
MEANINGS = {
    "raw_quality": "raw score of the method, higher is better",
    "quality": "score in (0, 1), higher is better",
    "map": "what each pixel contributes to the quality, in [0, 1], higher is better",
    "deficit": "what each pixel lacks in comparison with good faces, in [0, 1], 1 is worst",
    "score": "the detector's confidence in [0, 1]; 0 if no face was found, whose other results are NaN",
    "box": "left, top, width and height of the face in the photograph, in pixels",
    "landmarks": "(x, y) of right eye, left eye, nose, right and left corner of the mouth, in pixels",
}


def of_faces(recognizer: Recognizer, faces: Num[Array, "batch height width 3"], *, method: str, maps: bool) -> Results:
    """The scores of aligned faces, and their maps. Results that the recogniser does not support are left out.

    Args:
        recognizer: the network.
        faces: RGB, 0..255, of the recogniser's size.
        method: one of ``QUALITY_METHODS``.
        maps: whether to add ``map`` and ``deficit``.
    """
    found = score_batch(recognizer, faces, method=method, maps=maps)
    return {name: value for name, value in found._asdict().items() if value is not None}


def of_photographs(
    recognizer: Recognizer,
    photos: Num[Array, "batch height width 3"],
    *,
    detector: Detector,
    method: str,
    maps: bool,
) -> Results:
    """The same results for the largest face in each photograph, and its position."""
    faces = detect(detector, photos)
    score, box, landmarks = _largest(faces)
    is_found = score > 0
    # Without a face there are no landmarks, and the crop would be NaN: it is replaced by a black face.
    crops = align(photos, jnp.where(is_found[:, None, None], landmarks, jnp.nan), size=recognizer.preprocessing.size)
    crops = jnp.where(jnp.isnan(crops), 0, crops)
    results = of_faces(recognizer, crops, method=method, maps=maps) | {"box": box, "landmarks": landmarks}

    def only_found(result: Array) -> Array:
        return jnp.where(jnp.expand_dims(is_found, range(1, result.ndim)), result, jnp.nan)

    return jax.tree.map(only_found, results) | {"score": score}


def _largest(faces: Faces) -> tuple[Float[Array, " batch"], Float[Array, "batch 4"], Float[Array, "batch 5 2"]]:
    """Score, box and landmarks of the face with the largest box in each photograph."""
    areas = jnp.where(faces.valid, faces.boxes[..., 2] * faces.boxes[..., 3], -1)
    is_largest = jax.nn.one_hot(jnp.argmax(areas, -1), areas.shape[-1], dtype=jnp.float32)
    return tuple(  # type: ignore[return-value]
        jnp.einsum("bf,bf...->b...", is_largest, part, precision="highest")
        for part in (faces.scores, faces.boxes, faces.landmarks)
    )
