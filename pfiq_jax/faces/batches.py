"""Many image files, in order and batch by batch."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.reading import Face

CPU_BATCH_SIZE = 4  # more are hardly faster, and take longer until their rows are written
ACCELERATOR_BATCH_SIZE = 256


def over_files(
    compute: Callable[[np.ndarray], Any],
    paths: Sequence[Path],
    read: Callable[[Path], Face],
    *,
    size: tuple[int, int],
    batch_size: int | None = None,
) -> Iterator[list[tuple[Path, Face | PfiqError, Any]]]:
    """What a function of a batch of faces gives for each of many files, in order.

    Args:
        compute: of images (batch_size, height, width, 3); gives a pytree of arrays with one row a face. Best jitted:
            it always sees the same shape.
        paths: of the files.
        read: gives the face of a file, or raises PfiqError; called from several threads.
        size: height and width of the faces.
        batch_size: None for what suits the CPU or accelerator.

    Yields:
        For each file of a batch its path, its face or why there is none, and its row of the pytree, on the host.
    """
    if batch_size is None:
        batch_size = CPU_BATCH_SIZE if jax.default_backend() == "cpu" else ACCELERATOR_BATCH_SIZE

    def attempt(path: Path) -> Face | PfiqError:
        try:
            return read(path)
        except PfiqError as error:
            return error

    batches = [paths[start : start + batch_size] for start in range(0, len(paths), batch_size)]
    with ThreadPoolExecutor() as pool:
        reading = pool.map(attempt, paths[:batch_size])
        for batch, next_batch in zip(batches, [*batches[1:], []], strict=True):
            faces = list(reading)
            reading = pool.map(attempt, next_batch)
            images = np.zeros((batch_size, *size, 3), np.uint8)
            for image, face in zip(images, faces, strict=False):
                if isinstance(face, Face):
                    image[:] = face.image
            rows = jax.device_get(compute(images))
            yield [
                (path, face, jax.tree.map(lambda leaf, index=index: leaf[index], rows))
                for index, (path, face) in enumerate(zip(batch, faces, strict=True))
            ]
