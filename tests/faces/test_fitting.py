from pathlib import Path

import jax
import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.faces import Face, over_files

FULL = "RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes."


class Late:
    """Results of a batch that turns out not to fit when they are fetched."""

    def __array__(self, dtype=None, copy=None):
        raise jax.errors.JaxRuntimeError(FULL)


def device(room: int, sizes: list[int], *, late: bool):
    """The largest grey level of each image, from a device with room for so many images."""

    def compute(images: np.ndarray):
        sizes.append(len(images))
        if len(images) <= room:
            return images.max((1, 2, 3))
        if late:
            return Late()
        raise jax.errors.JaxRuntimeError(FULL)

    return compute


def read(path: Path) -> list[Face]:
    return [Face(np.full((2, 2, 3), int(path.name), np.uint8), False)]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("size", "multiple", "room", "fitting"), [(16, 1, 5, 4), (16, 2, 2, 2), (12, 4, 11, 4), (7, 1, 3, 3), (4, 1, 4, 4)]
)
def test_batches_that_do_not_fit_are_halved(size, multiple, room, fitting, late):
    sizes, halved = [], []
    paths = [Path(str(index)) for index in range(40)]
    options = {"batch_size": size, "multiple": multiple, "halved": halved.append}
    found = over_files(device(room, sizes, late=late), paths, read, **options)
    assert [(path, int(row)) for batch in found for path, _, row in batch] == [(path, int(path.name)) for path in paths]
    assert halved == [fitting] * (fitting < size)
    assert set(sizes[sizes.index(fitting) + 2 :]) == {fitting}  # a larger batch may be under way


def test_what_never_fits_and_other_errors_are_raised():
    paths = [Path("1")] * 8
    with pytest.raises(PfiqError, match=r"^batch of 2: does not fit into the device's memory"):
        list(over_files(device(1, [], late=False), paths, read, batch_size=8, multiple=2))

    def broken(images):
        raise jax.errors.JaxRuntimeError("INTERNAL: a bug")

    with pytest.raises(jax.errors.JaxRuntimeError, match="a bug"):
        list(over_files(broken, paths, read, batch_size=8))
