"""Batches that fit into the memory of a device: larger batches are halved."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.records import RGB


class Started(NamedTuple):
    """A batch whose computation was started.

    Attributes:
        images: the images before the padding, which consists of copies of the last one.
        size: size of the batch.
        fits: False if the batch did not fit when it was started.
        results: a pytree of arrays on the device.
    """

    images: list[RGB]
    size: int
    fits: bool
    results: Any = None


class FittingBatches:
    """Computes batches of one size, and of half the size as soon as one does not fit into the device's memory.

    Args:
        compute: takes images (size, height, width, 3); returns a pytree of arrays with one row per face.
        size: size of the first batches.
        multiple: sizes are multiples of it.
        halved: called with the new size after a batch of this size has fitted.
    """

    def __init__(
        self, compute: Callable[[np.ndarray], Any], size: int, multiple: int, halved: Callable[[int], object]
    ) -> None:
        self.size = self._reported = size
        self._compute, self._multiple, self._halved = compute, multiple, halved

    def start(self, images: list[RGB]) -> Started:
        """Starts to compute at most ``size`` images, at least one. It does not wait for the results."""
        filled = [*images, *images[-1:] * (self.size - len(images))]
        try:
            return Started(images, self.size, True, self._compute(np.stack(filled)))
        except jax.errors.JaxRuntimeError as error:
            _check_is_about_memory(error)
            return Started(images, self.size, False)

    def finish(self, started: Started) -> Any:
        """Waits for the results of a batch: the pytree, with one row per image, on the host.

        Raises:
            PfiqError: if the smallest batch does not fit.
        """
        if started.fits:
            try:
                results = jax.device_get(started.results)
            except jax.errors.JaxRuntimeError as error:
                _check_is_about_memory(error)
            else:
                if self.size < self._reported:
                    self._reported = self.size
                    self._halved(self.size)
                return jax.tree.map(lambda leaf: leaf[: len(started.images)], results)
        if started.size == self.size:  # otherwise it was halved since
            self._halve()
        parts, rest = [], started.images
        while rest:
            part, rest = rest[: self.size], rest[self.size :]  # the size may be halved again
            parts.append(self.finish(self.start(part)))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)

    def _halve(self) -> None:
        if self.size == self._multiple:
            raise PfiqError(f"batch of {self.size}: does not fit into the device's memory; use another device.")
        self.size = max(self.size // 2 // self._multiple, 1) * self._multiple


def _check_is_about_memory(error: jax.errors.JaxRuntimeError) -> None:
    if "RESOURCE_EXHAUSTED" not in str(error):
        raise error
