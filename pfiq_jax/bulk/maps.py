"""Maps of a shard's faces as one compressed file of arrays."""

import io
from collections.abc import Sequence

import numpy as np

from pfiq_jax.scoring import Score


def maps_bytes(scores: Sequence[Score]) -> bytes:
    """The maps of the faces that have one, as an .npz file.

    It contains ``row``, the rows of these faces in the shard's table, from 0; ``map``; and ``deficit`` if the
    recogniser is calibrated for it. Maps and deficits are (faces, height, width), 0 to 1, in float16, whose steps are
    below 0.0005.
    """
    found = [(row, score.map, score.deficit) for row, score in enumerate(scores) if score.map is not None]
    arrays = {"row": np.array([row for row, *_ in found], np.int32)}
    arrays["map"] = np.stack([np.asarray(each, np.float16) for _, each, _ in found])
    if all(deficit is not None for *_, deficit in found):
        arrays["deficit"] = np.stack([np.asarray(each, np.float16) for *_, each in found])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
