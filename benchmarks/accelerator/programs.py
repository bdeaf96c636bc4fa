"""Programs that are compiled ahead, many at a time, and then timed one after the other."""

import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import jax
import numpy as np

from benchmarks.accelerator.report import short

REPEATS = 5
LEAST = 0.02  # seconds that a sample of queued calls takes, or more
LONGEST = 0.6  # seconds for the samples of one kind, after which two are enough


@dataclass(frozen=True, eq=False)
class Program:
    """A function with its arguments.

    Attributes:
        labels: the first cells of its row.
        faces: how many faces a call computes.
        function: called with the arguments.
        arguments: arrays on the device.
        precision: of products and convolutions, as in ``jax.default_matmul_precision``; None for JAX's default.
    """

    labels: tuple[str, ...]
    faces: int
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    precision: str | None = None


@dataclass(frozen=True)
class Timing:
    """Seconds per call, and what a call takes.

    Attributes:
        alone: median, where the program waits for each result.
        queued: median, where it waits for the last of several.
        memory: bytes of arguments, results and temporaries.
        flops: floating-point operations as the function states them, before the compiler changes it.
    """

    alone: float
    queued: float
    memory: int
    flops: float


def measure(programs: Sequence[Program], seconds: float) -> list[Timing | str]:
    """Times programs, in order of importance.

    Compilations run in parallel and take half of the time at most.

    Returns:
        One timing per program, or why there is none.
    """
    end = perf_counter() + seconds
    compilations = compile_all(programs, seconds / 2)
    wait([each for each in compilations if each.running()], timeout=seconds / 4)  # they would disturb the clock
    return [_measured(*pair, end) for pair in zip(programs, compilations, strict=True)]


def compile_all(programs: Sequence[Program], seconds: float) -> list[Future[tuple[Any, float]]]:
    """Compiles programs in parallel, and cancels what has not begun after some seconds."""
    pool = ThreadPoolExecutor(min(12, os.cpu_count() or 1))
    compilations = [pool.submit(compiled, program) for program in programs]
    wait(compilations, timeout=seconds)
    pool.shutdown(wait=False, cancel_futures=True)
    return compilations


def compiled(program: Program) -> tuple[Any, float]:
    """The compiled program, and its floating-point operations; NaN where the device does not count them."""
    with jax.default_matmul_precision(program.precision) if program.precision else contextlib.nullcontext():
        lowered = jax.jit(program.function).lower(*program.arguments)
        executable = lowered.compile()
    try:
        return executable, float(lowered.cost_analysis()["flops"])
    except Exception:  # whatever a device raises that does not count them
        return executable, float("nan")


def time_calls(run: Callable[[], Any], finish: Callable[[Any], Any]) -> tuple[float, float]:
    """Median seconds per call: each waited for, and queued.

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


def _measured(program: Program, compilation: Future[tuple[Any, float]], end: float) -> Timing | str:
    if not compilation.done() or compilation.cancelled() or perf_counter() > end:
        return "no time left"
    try:
        executable, flops = compilation.result()
        sizes = executable.memory_analysis()
        memory = sizes.argument_size_in_bytes + sizes.output_size_in_bytes + sizes.temp_size_in_bytes
        return Timing(*time_calls(lambda: executable(*program.arguments), jax.block_until_ready), memory, flops)
    except Exception as error:  # whatever a driver raises
        return short(error)
