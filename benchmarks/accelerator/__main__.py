"""Speed and precision on the default device: embedding, scores and maps, and PyTorch on the same device.

    python -m benchmarks.accelerator -o benchmarks/results/NAME.md [--quick] [--minutes 4.5]

It needs nothing that the repository does not hold. The parts are in order of importance; what finds no time is named.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

os.environ.setdefault("XLA_CLIENT_MEM_FRACTION", "0.7")  # the rest is PyTorch's, which runs last

import click
import jax
import numpy as np

import pfiq_jax
from benchmarks.accelerator.precision import report_precision
from benchmarks.accelerator.programs import Program, Timing, measure
from benchmarks.accelerator.report import Report
from benchmarks.accelerator.subjects import disturbed_faces, grouped_sface, random_iresnet
from pfiq_jax import Recognizer, load_recognizer

NOTES = """\
`embed`, scores and maps of uint8 faces that lie on the device. Faces per second: calls queue, and the program waits for
the last of them. "ms per call": it waits for each. Medians of at least two and at most five samples. Memory: arguments
(with the weights), results and temporaries of the compiled program. Programs are compiled and timed one after the
other. A compilation is shorter if an earlier program in this list has layers of the same shapes. The precisions:

- "float32": JAX's default for the trunk, TF32 on NVIDIA GPUs from Ampere on; the head in float32.
- "bfloat16 trunk": the trunk's weights and activations in bfloat16; the head in float32."""

TORCH_NOTES = """\
The same networks with channels last, in float32 (with TF32). "embed and gradient" takes the passes of a map, but
computes no map."""
TORCH_SECONDS = 35  # from its start to its end

HEADER = ["function", "network", "precision", "batch", "faces per second", "x `embed`", "ms per call", "memory, GB"]
HEADER += ["compilation, s"]
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "embed": Recognizer.embed,
    "pixel_quality": pfiq_jax.pixel_quality,
    "ser_fiq, 100 masks": partial(pfiq_jax.ser_fiq, jax.random.key(0), num_masks=100),
}
PASSES = ("embed", "pixel_quality")


def device_line() -> str:
    """The device and the versions."""
    device = jax.devices()[0]
    platform_version = " ".join(device.client.platform_version.split())
    return (
        f"{device.device_kind}, {len(jax.local_devices())} of them, {os.cpu_count()} CPU cores; "
        f"jax {jax.__version__}, {platform_version}; Python {platform.python_version()}; "
        f"XLA_FLAGS: {os.environ.get('XLA_FLAGS', 'none')}"
    )


def programs(
    functions: Sequence[str], network: str, precision: str, recognizer: Recognizer, batch: int
) -> list[Program]:
    """One program per function, on the same images."""
    images = jax.device_put(np.resize(disturbed_faces(min(32, batch)), (batch, 112, 112, 3)))
    return [
        Program((name, network, precision, str(batch)), batch, FUNCTIONS[name], (recognizer, images))
        for name in functions
    ]


def report_speed(report: Report, title: str, programs: Sequence[Program]) -> None:
    """One row per program that found time."""
    timings = measure(programs, report)
    embed = {each.labels[1:]: timing for each, timing in timings.items() if each.labels[0] == "embed"}
    report.table(title, HEADER, [_row(each, timing, embed.get(each.labels[1:])) for each, timing in timings.items()])


def _row(program: Program, timing: Timing, embed: Timing | None) -> list[str]:
    return [
        *program.labels,
        f"{program.faces / timing.queued:,.0f}",
        f"{timing.queued / embed.queued:.2f}" if embed else "",
        f"{timing.alone * 1000:.2f}",
        f"{timing.memory / 1e9:.2f}",
        f"{timing.compilation:.1f}",
    ]


def report_torch(report: Report, *, batch: int, depth: int) -> None:
    """PyTorch's rows, from a program of its own."""
    seconds = min(TORCH_SECONDS, report.left())
    command = [sys.executable, "-m", "benchmarks.accelerator.pytorch", str(batch), str(depth)]
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        try:
            code = subprocess.run(command, stdout=output, stderr=errors, timeout=seconds, check=False).returncode
            problem = f"exit code {code}" if code else ""
        except subprocess.TimeoutExpired:
            problem = f"stopped after {seconds:.0f} s"
        for file in (output, errors):
            file.seek(0)
        printed, complaints = output.read(), errors.read()
    rows = [line.split("\t") for line in printed.splitlines()]
    report.table("PyTorch", [*HEADER[:5], *HEADER[6:8]], rows, TORCH_NOTES)
    if problem:
        report.add(f"PyTorch ended early, {problem}: {complaints[-500:]}")


@click.command(help=__doc__.split("\n")[0])
@click.option("-o", "--output", type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="Few and small batches, to try the program on a CPU.")
@click.option("--minutes", default=4.5, show_default=True, help="No program starts that would probably end later.")
def main(output: Path | None, quick: bool, minutes: float) -> None:
    report = Report(output, minutes * 60)
    report.add(f"## {device_line()}\n\n{NOTES}")
    batch, depth, other_batches = (4, 18, (1,)) if quick else (256, 50, (1, 64, 1024))
    sface, iresnet = jax.device_put(load_recognizer()), random_iresnet(depth)

    for name, network, functions in (("SFace", sface, list(FUNCTIONS)), (f"IResNet-{depth}", iresnet, PASSES)):
        in_float32 = programs(functions, name, "float32", network, batch)
        in_bfloat16 = programs(functions, name, "bfloat16 trunk", network.with_precision("bfloat16"), batch)
        report_speed(report, name, in_float32 + in_bfloat16)
    report_precision(report, sface, count=batch)
    others = [each for size in other_batches for each in programs(PASSES, "SFace", "float32", sface, size)]
    report_speed(report, "SFace, other batch sizes", others)
    grouped = programs(PASSES[1:], "SFace, grouped", "float32", grouped_sface(sface), batch)
    report_speed(report, "SFace with XLA's grouped convolutions as depthwise layers", grouped)
    report_torch(report, batch=batch, depth=depth)


if __name__ == "__main__":
    main()
