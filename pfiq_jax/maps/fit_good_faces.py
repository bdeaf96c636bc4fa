"""The reference of good faces for deficits, from faces whose scores are known."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pfiq_jax.faces.batches import over_files
from pfiq_jax.faces.reading import Face, ReadFaces
from pfiq_jax.good_faces import GoodFaces
from pfiq_jax.maps.contribution import explain_layers
from pfiq_jax.recognizers.recognizer import Recognizer

MAX_FACES = 1000  # more change the deficits little; the features of these take 0.2 GB


def fit_good_faces(
    recognizer: Recognizer,
    paths: Sequence[Path],
    people: Sequence[str | None],
    scores: Float[np.ndarray, " faces"],
    read: ReadFaces,
    *,
    reference: str,
    advance: Callable[[int], object] = lambda faces: None,
) -> GoodFaces:
    """The reference of good faces: what the better half of the faces shows at each place.

    Args:
        recognizer: the one to calibrate.
        paths: of aligned faces.
        people: the person of each; None if not known.
        scores: of these faces, by the recogniser itself; higher is better.
        read: returns the faces in a file.
        reference: a description of the faces; their number is added.
        advance: called with the number of faces processed since the last call.

    Raises:
        PfiqError: if fewer than 100 good faces can be read.
    """
    good = [paths[index] for index in chosen(scores, people)]
    rows = []
    for batch in over_files(lambda images: _seen(recognizer, images), good, read):
        rows += [row for _, face, row in batch if isinstance(face, Face)]
        advance(len(batch))
    logs, features = jax.tree.map(lambda *faces: np.stack(faces), *rows) if rows else ([], np.zeros((0, 1, 1, 1)))
    words = f"{reference}, {len(features)} good faces"
    return GoodFaces.fit(logs, features, recognizer.preprocessing.size, reference=words)


def chosen(scores: Float[np.ndarray, " faces"], people: Sequence[str | None]) -> list[int]:
    """Indices of good faces of as many people as possible, grouped by person, with people in random order.

    Of the better half of the faces, at most ``MAX_FACES`` are taken: first one per person, then a second one, and
    so on. A face whose person is not known counts as another person. The order is the same every time.
    """
    taken: Counter[str | int] = Counter()
    good = []
    for index in np.flatnonzero(scores >= np.median(scores)).tolist():
        person = people[index] or index
        good.append((taken[person], person, index))
        taken[person] += 1
    order = dict(zip(taken, np.random.default_rng(0).permutation(len(taken)), strict=True))
    first = sorted(good, key=lambda face: (face[0], order[face[1]]))[:MAX_FACES]
    return [index for _, person, index in sorted(first, key=lambda face: (order[face[1]], face[2]))]


@jax.jit
def _seen(recognizer: Recognizer, images: Array) -> tuple[list[Array], Array]:
    explained = explain_layers(recognizer, jnp.asarray(images, jnp.float32))
    return explained.log_contributions, explained.compared.astype(jnp.float16)  # halves the memory
