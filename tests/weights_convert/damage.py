"""Damaged weights files, and a process that reads them with limited memory and time."""

import contextlib
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

NUMBER = 500
EXTREMES = (0, 1, -1, 2**15, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1)


def damaged(sound: bytes, number: int = NUMBER, *, words: tuple[bytes, ...] = (), seed: int = 0) -> list[bytes]:
    """Damaged copies of a file: truncated, with flipped bits, extreme lengths, moved pieces or swapped words."""
    random = np.random.default_rng(seed)
    copies = []
    for index in range(number):
        content = bytearray(sound)
        kind = index % 5
        if kind == 0:
            content = content[: random.integers(len(sound))]
        elif kind == 1:
            for position in random.integers(len(sound), size=random.integers(1, 9)):
                content[position] ^= 1 << int(random.integers(8))
        elif kind == 2:
            width = int(random.choice((4, 8)))
            position = int(random.integers(max(1, len(sound) - width)))
            extreme = int(random.choice(np.array(EXTREMES, object))) % 2 ** (8 * width)
            content[position : position + width] = extreme.to_bytes(width, "little")
        elif kind == 3:
            start, end, to = sorted(random.integers(len(sound), size=3))
            content = content[:start] + content[end:to] + content[start:end] + content[to:]
        elif len(words) > 1:
            one, other = (words[i] for i in random.choice(len(words), 2, replace=False))
            marker = b"\0swapped\0"
            content = content.replace(one, marker).replace(other, one).replace(marker, other)
        else:
            content += bytes(random.integers(256, size=random.integers(1, 64), dtype=np.uint8))
        copies.append(bytes(content))
    return copies


def damaged_once(sound: bytes, seed: int, *, header: int) -> bytes:
    """One damaged copy; with every other seed, the damage lies in the first ``header`` bytes."""
    end = header if seed % 2 else len(sound)
    return damaged(sound[:end], 5, seed=seed)[seed // 2 % 5] + sound[end:]


def check_all_are_errors_or_go_unseen(paths: list[Path]) -> int:
    """Reads every file in one process of limited memory and time; returns how many were refused.

    Damage may go unseen, because a weight with a flipped bit is still a weight. Every error must be a ``PfiqError``
    that begins with the file's path. Crashes, hangs, and allocations that exceed the file's size are not allowed.
    """
    process = subprocess.run(
        [sys.executable, __file__], input="\n".join(map(str, paths)), capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return int(process.stdout.split()[-1])


def _read_all(paths: list[str]) -> None:
    from pfiq_jax import PfiqError
    from weights_convert.readers import read

    for path in paths[:1]:  # imports the packages of the reader before memory is limited
        with contextlib.suppress(PfiqError):
            read(path)
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + 2**28,) * 2)
    refused = 0
    for path in paths:
        signal.alarm(20)
        try:
            read(path)
        except PfiqError as error:
            if not str(error).startswith(f"{path}: ") or "\n" in str(error) or _is_out_of_memory(error):
                raise
            refused += 1
    print(refused)


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was exhausted. HDF5 is exempt: it reserves up to 4 GB for a damaged header and never uses them."""
    of_hdf5 = "on disk image buffer" in str(error) or "past end of allocation" in str(error)
    return isinstance(error.__cause__, MemoryError) or ("alloc" in str(error) and not of_hdf5)


if __name__ == "__main__":
    _read_all(sys.stdin.read().split("\n"))
