"""The devices of this process, which share every batch: each computes as many of its faces as the others."""

from typing import NamedTuple, TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

Tree = TypeVar("Tree")


class Devices(NamedTuple):
    """Devices that share batches. Faces are independent, so that no device waits for another one within a batch.

    Attributes:
        devices: at least one. One device gets its arrays as if there were no choice.
    """

    devices: tuple[jax.Device, ...]

    @classmethod
    def local(cls, batch_size: int | None) -> "Devices":
        """All devices of this process, or as many as there are faces in a batch; None for all."""
        return cls(tuple(jax.local_devices()[:batch_size]))

    def rounded(self, batch_size: int) -> int:
        """The batch size, rounded up to a multiple of the number of devices."""
        return -(-batch_size // len(self.devices)) * len(self.devices)

    def replicate(self, tree: Tree) -> Tree:
        """A pytree of arrays with a copy of each on every device; those that are there already are not copied again."""
        return tree if len(self.devices) == 1 else jax.device_put(tree, self._sharding(PartitionSpec()))

    def split(self, batch: np.ndarray) -> np.ndarray | jax.Array:
        """A batch by its first axis: its first part on the first device, and so on."""
        return batch if len(self.devices) == 1 else jax.device_put(batch, self._sharding(PartitionSpec("batch")))

    def _sharding(self, spec: PartitionSpec) -> NamedSharding:
        return NamedSharding(Mesh(np.array(self.devices), ("batch",), axis_types=(AxisType.Auto,)), spec)
