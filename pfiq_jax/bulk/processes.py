"""Which part of the work is that of this process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from pfiq_jax.errors import PfiqError


@dataclass(frozen=True)
class Process:
    """One of several processes that do the same work with other shards.

    Attributes:
        index: from 0.
        count: of processes.
        source: what said so; "" if nothing did.
    """

    index: int = 0
    count: int = 1
    source: str = ""

    def has(self, shard: int) -> bool:
        """Whether a shard is this process's."""
        return shard % self.count == self.index


def this_process(index: int | None, count: int | None, environment: Mapping[str, str] = os.environ) -> Process:
    """Which process this one is: by options, or else by what a cluster sets in the environment.

    These are TPU_WORKER_ID and TPU_WORKER_HOSTNAMES of TPU slices, SLURM_PROCID and SLURM_NTASKS, and
    JOB_COMPLETION_INDEX of Kubernetes' indexed jobs, which does not say how many there are.

    Args:
        index: what --process-index says; from 0.
        count: what --process-count says.
        environment: of the process.

    Raises:
        PfiqError: for an index without a count, or one that is not below it.
    """
    source = "--process-index"
    if index is None:
        source, found, counted = _by_environment(environment)
        index = found if found is not None else 0 if count in (None, 1) else None
        count = count if count is not None else counted if source else 1
    if count is None:
        raise PfiqError(f"{source}: is {index}, but of how many processes is not known; give --process-count.")
    if index is None:
        raise PfiqError(f"--process-count: is {count}, but which of them this is is not known; give --process-index.")
    if not 0 <= index < count:
        raise PfiqError(f"{source}: is {index}, but there are {count} processes; count from 0 to {count - 1}.")
    return Process(index, count, source)


def _by_environment(environment: Mapping[str, str]) -> tuple[str, int | None, int | None]:
    """The variable, the index and the count of the first cluster whose variable is set."""
    hosts = environment.get("TPU_WORKER_HOSTNAMES", "")
    counts = {
        "TPU_WORKER_ID": str(len(hosts.split(","))) if hosts else None,
        "SLURM_PROCID": environment.get("SLURM_NTASKS"),
        "JOB_COMPLETION_INDEX": None,
    }
    for name, count in counts.items():
        value = environment.get(name, "")
        if value.isdecimal():
            return name, int(value), int(count) if count and count.isdecimal() else None
    return "", None, None
