"""What the device can do at best: products of large matrices, copies within its memory and to it."""

from time import perf_counter

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.accelerator.programs import Program, measure
from benchmarks.accelerator.report import Report


def report_ceilings(report: Report, ceilings: dict[str, float], *, size: int, copied: int, seconds: float) -> None:
    """Reports the ceilings, and enters floating-point operations per second by the name of a precision.

    Args:
        report: where to.
        ceilings: what is entered here.
        size: rows and columns of the matrices.
        copied: bytes of the array that is copied.
        seconds: for all of it.
    """
    matrix = jax.random.normal(jax.random.key(0), (size, size))
    half = matrix.astype(jnp.bfloat16)
    array = jnp.ones(copied // 4)
    programs = [
        Program(("float32, highest",), 1, jnp.matmul, (matrix, matrix), "highest"),
        Program(("float32, default",), 1, jnp.matmul, (matrix, matrix)),
        Program(("bfloat16 trunk",), 1, jnp.matmul, (half, half)),
        Program(("copy",), 1, lambda array: array + 1, (array,)),
    ]
    timings = dict(zip([each.labels[0] for each in programs], measure(programs, seconds), strict=True))
    rows = []
    for name, timing in timings.items():
        if isinstance(timing, str):
            rows.append((name, timing))
        elif name == "copy":
            rows.append(("device memory, bytes read and written", f"{2 * copied / timing.queued / 1e9:.0f} GB/s"))
        else:
            ceilings[name] = 2 * size**3 / timing.queued
            rows.append((f"product of {size} x {size} matrices, {name}", f"{ceilings[name] / 1e12:.1f} TFLOP/s"))
    report.table("Ceilings", ["", "measured"], rows)


def report_transfer(report: Report, *, faces: int, seconds: float) -> None:
    """Seconds from an array of the host to the device and back, in faces per second."""
    pixels = np.random.default_rng(0).integers(0, 256, (faces, 112, 112, 3), np.uint8)
    rows, end = [], perf_counter() + seconds
    for name, array in (("uint8", pixels), ("float32", pixels.astype(np.float32))):
        there, back = [], []
        while len(there) < 6 and perf_counter() < end:
            start = perf_counter()
            moved = jax.block_until_ready(jax.device_put(array) + 0)  # a sum, since a CPU shares the host's array
            there.append(perf_counter() - start)
            start = perf_counter()
            np.array(moved)
            back.append(perf_counter() - start)
        for way, times in (("to the device", there), ("to the host", back)):
            time = float(np.median(times[1:]))
            rows.append((f"{name} {way}", f"{array.nbytes / time / 1e9:.1f}", f"{faces / time:,.0f}"))
    report.table(f"Transfer of {faces} faces", ["", "GB/s", "faces per second"], rows)
