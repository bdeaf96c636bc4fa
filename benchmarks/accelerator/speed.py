"""Faces per second of the library's functions, by network, precision and batch size."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

import pfiq_jax
from benchmarks.accelerator.programs import Program, Timing, measure
from benchmarks.accelerator.report import Report
from benchmarks.accelerator.subjects import PRECISIONS, disturbed_faces, in_precision
from pfiq_jax import Recognizer

NUM_MASKS = 100
FUNCTIONS = {
    "embed": Recognizer.embed,
    "pixel_quality": pfiq_jax.pixel_quality,
    "face_quality": pfiq_jax.face_quality,
    "ser_fiq_closed_form": pfiq_jax.ser_fiq_closed_form,
    "ser_fiq, 100 masks": functools.partial(pfiq_jax.ser_fiq, jax.random.key(0), num_masks=NUM_MASKS),
}
HEADER = ["function", "precision", "batch", "faces per second", "x `embed`", "ms per call", "memory, GB", "TFLOP/s"]


def report_speed(
    report: Report,
    name: str,
    recognizer: Recognizer,
    *,
    batches: Sequence[int],
    main_batch: int,
    ceilings: dict[str, float],
    seconds: float,
) -> None:
    """Reports one network. Embedding and map take all batch sizes; what costs one pass more or less, one batch size."""
    networks = {precision: in_precision(recognizer, precision) for precision in PRECISIONS}
    faces = np.resize(disturbed_faces(min(32, max(batches))), (max(batches), 112, 112, 3))
    images = {batch: jax.device_put(faces[:batch]) for batch in batches}
    cells = [(function, precision, main_batch) for function in FUNCTIONS for precision in PRECISIONS]
    cells += [
        (function, precision, batch)
        for batch in batches
        if batch != main_batch
        for function in ("embed", "pixel_quality")
        for precision in PRECISIONS
        if precision != "float32, highest" or batch == batches[0]
    ]
    programs = [
        Program(
            (function, precision, str(batch)),
            batch,
            FUNCTIONS[function],
            (networks[precision], images[batch]),
            PRECISIONS[precision],
        )
        for function, precision, batch in cells
    ]
    timings = dict(zip(programs, measure(programs, seconds), strict=True))
    embed = {
        each.labels[1:]: timing
        for each, timing in timings.items()
        if each.labels[0] == "embed" and isinstance(timing, Timing)
    }
    order = sorted(timings, key=lambda each: (list(FUNCTIONS).index(each.labels[0]), each.labels[1], each.faces))
    rows = [_row(each, timings[each], embed.get(each.labels[1:]), ceilings) for each in order]
    report.table(name, HEADER, rows)


def _row(program: Program, timing: Timing | str, embed: Timing | None, ceilings: dict[str, float]) -> tuple[str, ...]:
    if isinstance(timing, str):
        return (*program.labels, timing, "", "", "", "")
    rate = timing.flops / timing.queued
    ceiling = ceilings.get(program.labels[1])
    return (
        *program.labels,
        f"{program.faces / timing.queued:,.0f}",
        f"{timing.queued / embed.queued:.2f}" if embed else "",
        f"{timing.alone * 1000:.2f}",
        f"{timing.memory / 1e9:.2f}",
        f"{rate / 1e12:.1f}" + (f" ({rate / ceiling:.0%})" if ceiling else ""),
    )
