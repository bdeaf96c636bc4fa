"""Tables of speed, of the library and of PyTorch."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from tempfile import TemporaryFile
from typing import Any

import jax
import numpy as np

import pfiq_jax
from benchmarks.accelerator.ceilings import Ceilings
from benchmarks.accelerator.programs import Program, Timing, measure
from benchmarks.accelerator.report import Report
from benchmarks.accelerator.subjects import disturbed_faces, photographs
from pfiq_jax import Detector, Recognizer

TORCH_NOTES = """\
The same networks with channels last, in float32 (with TF32), or all of them in bfloat16; compiled by `torch.compile` or
not. "embed and gradient" takes the passes of a map, but computes no map."""
TORCH_SECONDS = 100  # from its start to its end

HEADER = ["function", "network", "precision", "batch", "faces per second", "x `embed`", "of products", "of copies"]
HEADER += ["ms per call", "memory, GB", "compilation, s"]
TORCH_HEADER = [*HEADER[:5], *HEADER[8:10]]
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "embed": Recognizer.embed,
    "face_quality": pfiq_jax.face_quality,
    "pixel_quality": pfiq_jax.pixel_quality,
    "ser_fiq, 100 masks": partial(pfiq_jax.ser_fiq, jax.random.key(0), num_masks=100),
}


def programs(functions: Sequence[str], network: str, recognizer: Recognizer, batch: int) -> list[Program]:
    """One program per function, on the same images."""
    images = jax.device_put(np.resize(disturbed_faces(min(32, batch)), (batch, 112, 112, 3)))
    labels = network, recognizer.precision, str(batch)
    return [Program((name, *labels), batch, FUNCTIONS[name], (recognizer, images)) for name in functions]


def detector_programs(detector: Detector, batches: Sequence[int]) -> list[Program]:
    """Detection in photographs of 640x640 pixels."""
    photos = {batch: jax.device_put(np.resize(photographs(1), (batch, 640, 640, 3))) for batch in batches}
    return [
        Program(("detect", "YuNet", "float32", str(batch)), batch, pfiq_jax.detect, (detector, each))
        for batch, each in photos.items()
    ]


def report_speed(report: Report, ceilings: Ceilings, title: str, programs: Sequence[Program]) -> None:
    """Adds a table with one row per program that was measured in time."""
    timings = measure(programs, report)
    embed = {each.labels[1:]: timing for each, timing in timings.items() if each.labels[0] == "embed"}
    rows = [_row(each, timing, embed.get(each.labels[1:]), ceilings) for each, timing in timings.items()]
    report.table(title, HEADER, rows)


def _row(program: Program, timing: Timing, embed: Timing | None, ceilings: Ceilings) -> list[str]:
    most = ceilings.products.get(program.labels[2], np.nan)
    return [
        *program.labels,
        f"{program.faces / timing.queued:,.0f}",
        f"{timing.queued / embed.queued:.2f}" if embed else "",
        _share(timing.operations / timing.queued / most),
        _share(timing.traffic / timing.queued / ceilings.copies),
        f"{timing.alone * 1000:.2f}",
        f"{timing.memory / 1e9:.2f}",
        f"{timing.compilation:.1f}",
    ]


def _share(share: float) -> str:
    return "" if np.isnan(share) else f"{share:.0%}"


def report_torch(report: Report, *, batch: int, depth: int) -> None:
    """Adds the table of PyTorch, which runs in a process of its own."""
    seconds = min(TORCH_SECONDS, report.left())
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.accelerator.pytorch", str(batch), str(depth)]
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        try:
            code = subprocess.run(command, stdout=output, stderr=errors, timeout=seconds, check=False).returncode
            problem = f"ended with exit code {code}" if code else ""
        except subprocess.TimeoutExpired:
            problem = f"was stopped after {seconds:.0f} s"
        for file in (output, errors):
            file.seek(0)
        printed, complaints = output.read(), errors.read()
    report.table("PyTorch", TORCH_HEADER, [line.split("\t") for line in printed.splitlines()], TORCH_NOTES)
    if problem or complaints:
        report.add(f"PyTorch {problem or 'complained'}: {' '.join(complaints.split())[-500:]}")
