"""The part of the work that this process does."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from pfiq_jax.errors import PfiqError


@dataclass(frozen=True)
class Process:
    """One of several processes, each of which scores its own shards.

    Attributes:
        index: index of this process, from 0.
        count: number of processes.
        source: the option or environment variable with the index; "" if there is none.
    """

    index: int = 0
    count: int = 1
    source: str = ""

    def has(self, shard: int) -> bool:
        """Whether this process scores a shard."""
        return shard % self.count == self.index


def this_process(index: int | None, count: int | None, environment: Mapping[str, str] = os.environ) -> Process:
    """Index and number of processes, from options or otherwise from variables that a cluster sets in the environment.

    The variables are TPU_WORKER_ID and TPU_WORKER_HOSTNAMES of TPU slices, SLURM_PROCID and SLURM_NTASKS, and
    JOB_COMPLETION_INDEX of Kubernetes' indexed jobs, which do not state the number of processes.

    Args:
        index: value of --process-index, from 0.
        count: value of --process-count.
        environment: environment variables of the process.

    Raises:
        PfiqError: for an index without a count, or one that is not below it.
    """
    source = "--process-index"
    if index is None:
        source, found, counted = _by_environment(environment)
        index = found if found is not None else 0 if count in (None, 1) else None
        count = count if count is not None else counted if source else 1
    if count is None:
        raise PfiqError(f"{source}: is {index}, but the number of processes is not known; give --process-count.")
    if index is None:
        raise PfiqError(
            f"--process-count: is {count}, but the index of this process is not known; give --process-index."
        )
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
