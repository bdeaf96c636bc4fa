"""Programs that are compiled and timed one after the other, so that no compilation disturbs a measurement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import click
import jax
import numpy as np

from benchmarks.accelerator.report import Report, short

REPEATS = 5
LEAST = 0.05  # least seconds of a sample of queued calls
LONGEST = 0.6  # seconds for the samples of one kind; afterwards two samples are enough


@dataclass(frozen=True, eq=False)
class Program:
    """A function with its arguments.

    Attributes:
        labels: the first cells of its row.
        faces: number of faces per call.
        function: called with the arguments.
        arguments: arrays on the device.
    """

    labels: tuple[str, ...]
    faces: int
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Timing:
    """Seconds per call, and the memory, operations and traffic of a call.

    Attributes:
        alone: median, if the caller waits for each result.
        queued: median, if the caller waits for the last result of several calls.
        memory: bytes of arguments, results and temporaries.
        operations: floating-point operations in the program, before XLA changes it.
        traffic: bytes that the compiled program reads and writes, by XLA's own count.
        compilation: seconds, including XLA's choice between implementations by their speed.
    """

    alone: float
    queued: float
    memory: int
    operations: float
    traffic: float
    compilation: float


def measure(programs: Sequence[Program], report: Report) -> dict[Program, Timing]:
    """Compiles and times programs in their order, and adds the reasons for missing programs to the report.

    A program is left out if less time is left than the longest compilation of these programs took.
    """
    timings: dict[Program, Timing] = {}
    missing, longest = [], 1.0
    for program in programs:
        label, start = ", ".join(program.labels), perf_counter()
        if report.left() < longest:
            missing.append(f"{label}: no time left")
            continue
        try:
            timings[program] = timing = compile_and_time(program)
            click.echo(f"{label}: {program.faces / timing.queued:,.0f} faces per second, {timing}", err=True)
        except Exception as error:  # whatever a driver raises
            missing.append(f"{label}: {short(error)}")
        longest = max(longest, perf_counter() - start)
    if missing:
        report.add(f"Not measured: {'; '.join(missing)}.")
    return timings


def compile_and_time(program: Program) -> Timing:
    start = perf_counter()
    lowered = jax.jit(program.function).lower(*program.arguments)
    executable = lowered.compile()
    compilation = perf_counter() - start
    # Count the operations before compiling. Afterwards, convolutions that a library computes are not counted.
    operations = (lowered.cost_analysis() or {}).get("flops", np.nan)
    traffic = (executable.cost_analysis() or {}).get("bytes accessed", np.nan)
    sizes = executable.memory_analysis()
    memory = sizes.argument_size_in_bytes + sizes.output_size_in_bytes + sizes.temp_size_in_bytes
    alone, queued = time_calls(lambda: executable(*program.arguments), jax.block_until_ready)
    return Timing(alone, queued, memory, operations, traffic, compilation)


def time_calls(run: Callable[[], Any], finish: Callable[[Any], Any]) -> tuple[float, float]:
    """Median seconds per call, of single calls and of queued calls.

    Args:
        run: starts a call and returns its result.
        finish: waits for a result.
    """
    for _ in range(2):
        finish(run())

    def sample(calls: int) -> float:
        start = perf_counter()
        for _ in range(calls):
            result = run()
        finish(result)
        return (perf_counter() - start) / calls

    def median(calls: int) -> float:
        samples, start = [], perf_counter()
        while len(samples) < REPEATS and (len(samples) < 2 or perf_counter() - start < LONGEST):
            samples.append(sample(calls))
        return float(np.median(samples))

    alone = median(1)
    return alone, median(max(2, min(50, int(LEAST / alone))))
