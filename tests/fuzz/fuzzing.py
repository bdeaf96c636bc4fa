"""Damaged copies of files, from hypothesis: few in a usual run, as many as PFIQ_FUZZ says in a long one.

PFIQ_FUZZ=20000 pytest tests/fuzz

Hypothesis remembers what it drew: 16 kB per changed header, so 100,000 of them take 1.6 GB. The code under test leaves
nothing: 4,000 headers that are read twice, and 5,000 weights of a kind, change a process by less than 20 MB.
"""

import os
import re
import resource
import time

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("PFIQ_FUZZ", "200"))
SECONDS = 20  # of processor time that no file may exceed; a loaded machine lets a process wait for longer
BYTES = 1.4e9  # by which no file may raise a process's peak; 2 GB with what Python, JAX and the network take
EXTREMES = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**32 - 1)

fuzz = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
"""Decorates a test: the same examples in every run."""

fuzz_less = settings(fuzz, max_examples=max(10, EXAMPLES // 10))
"""The same, for a test that takes ten times as long."""


@st.composite
def damaged(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A file, damaged in up to six places: bits, lengths, missing, moved, repeated and foreign pieces."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        # Headers decide more than pixels do.
        position = draw(st.integers(0, min(len(content), 128)) | st.integers(0, len(content)))
        kind = draw(st.sampled_from(("bit", "number", "cut", "remove", "repeat", "insert", "graft")))
        end = position + draw(st.integers(1, 64))
        if kind == "bit" and position < len(content):
            content[position] ^= 1 << draw(st.integers(0, 7))
        elif kind == "number":
            width, order = draw(st.sampled_from((1, 2, 4))), draw(st.sampled_from(("little", "big")))
            number = draw(st.sampled_from(EXTREMES) | st.integers(0, 2**32 - 1)) % 2 ** (8 * width)
            content[position : position + width] = number.to_bytes(width, order)
        elif kind == "cut":
            del content[position:]
        elif kind == "remove":
            del content[position:end]
        elif kind == "repeat":
            content[position:position] = content[position:end] * draw(st.integers(1, 100))
        elif kind == "insert":
            content[position:position] = draw(st.binary(max_size=64))
        elif kind == "graft":
            other = draw(st.sampled_from(seeds))
            content[position:] = other[draw(st.integers(0, len(other))) :]
    return bytes(content)


def check_sentence(error: Exception, path: str) -> None:
    """An error must be one sentence that begins with the path, says what to do, and has at most 300 characters."""
    text = str(error)
    assert re.fullmatch(rf"{re.escape(path)}[^\n]*: [^\n]+; [^\n]+\.", text), text
    assert len(text) - len(path) <= 300, text


class Costs:
    """Checks that a block of code takes neither too long nor too much memory.

    Counted is by how much it raises the peak of the process, since other tests may have raised it before.
    """

    def __enter__(self) -> None:
        self.started, self.peak = time.process_time(), _peak_bytes()

    def __exit__(self, *_: object) -> None:
        assert time.process_time() - self.started < SECONDS
        assert _peak_bytes() - self.peak < BYTES


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
