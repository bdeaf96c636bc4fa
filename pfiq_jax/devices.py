"""The devices of this process, which share every batch: each computes the same number of its faces."""

from typing import NamedTuple, TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

Tree = TypeVar("Tree")


class Devices(NamedTuple):
    """Devices that share batches. Faces are independent, so that no device waits for another one within a batch.

    Attributes:
        devices: at least one. With a single device, arrays are not sharded.
    """

    devices: tuple[jax.Device, ...]

    @classmethod
    def local(cls, batch_size: int | None) -> "Devices":
        """All devices of this process, but at most one per face of a batch; None for all."""
        return cls(tuple(jax.local_devices()[:batch_size]))

    def rounded(self, batch_size: int) -> int:
        """The batch size, rounded up to a multiple of the number of devices."""
        return -(-batch_size // len(self.devices)) * len(self.devices)

    def replicate(self, tree: Tree) -> Tree:
        """A pytree of arrays, each copied to every device, unless it is there already."""
        return tree if len(self.devices) == 1 else jax.device_put(tree, self._sharding(PartitionSpec()))

    def split(self, batch: np.ndarray) -> np.ndarray | jax.Array:
        """A batch by its first axis: its first part on the first device, and so on."""
        return batch if len(self.devices) == 1 else jax.device_put(batch, self._sharding(PartitionSpec("batch")))

    def _sharding(self, spec: PartitionSpec) -> NamedSharding:
        return NamedSharding(Mesh(np.array(self.devices), ("batch",), axis_types=(AxisType.Auto,)), spec)
