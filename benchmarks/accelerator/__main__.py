"""Speed and precision on the default device: embedding, scores and maps, and PyTorch on the same device.

    python -m benchmarks.accelerator -o benchmarks/results/NAME.md [--quick] [--minutes 4.5]

It needs nothing that the repository does not hold. A part that fails or finds no time left says so in the report, and
the others go on. The report is written again after every part.
"""

import os
import platform
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile

os.environ.setdefault("XLA_CLIENT_MEM_FRACTION", "0.7")  # the rest is PyTorch's, which runs in between

import click
import jax

from benchmarks.accelerator.ceilings import report_ceilings, report_transfer
from benchmarks.accelerator.depthwise import report_layers, report_network
from benchmarks.accelerator.precision import report_precision
from benchmarks.accelerator.report import Report
from benchmarks.accelerator.speed import report_speed
from benchmarks.accelerator.subjects import recognizers

NOTES = """\
`embed`, scores and maps of uint8 faces that lie on the device. Faces per second: calls queue, and the program waits for
the last of them. "ms per call": it waits for each. Medians of at least two and at most five samples. Memory: arguments
(with the weights), results and temporaries of the compiled program. TFLOP/s: operations of the function as written, and
their share of the measured matrix product in this precision. The precisions:

- "float32, highest": float32 throughout.
- "float32, default": JAX's default for the trunk, TF32 on this kind of GPU; the head in float32.
- "bfloat16 trunk": the trunk's weights and activations in bfloat16; the head in float32.
"""
TORCH_NOTES = """\
The same networks with channels last, in float32 (with TF32) and wholly in bfloat16, head included. "Embed and gradient"
takes the passes of a map, but computes no map."""


def device_line() -> str:
    """The device and the versions."""
    device = jax.devices()[0]
    platform_version = " ".join(device.client.platform_version.split())
    return (
        f"{device.device_kind}, {len(jax.local_devices())} of them, {os.cpu_count()} CPU cores; "
        f"jax {jax.__version__}, {platform_version}; Python {platform.python_version()}; "
        f"XLA_FLAGS: {os.environ.get('XLA_FLAGS', 'none')}"
    )


def report_torch(report: Report, *, batches: str, seconds: float) -> None:
    """PyTorch's rows, from a program of its own, which has half a minute to start and end."""
    if find_spec("torch") is None:
        report.add("### PyTorch\n\nLeft out: torch is not installed.")
        return
    command = [
        sys.executable,
        "-m",
        "benchmarks.accelerator.pytorch",
        "--seconds",
        str(seconds - 30),
        "--batches",
        batches,
    ]
    with TemporaryFile() as output, TemporaryFile() as errors:  # no pipes, which a compiler's workers may keep open
        try:
            code = subprocess.run(command, stdout=output, stderr=errors, timeout=seconds, check=False).returncode
            problem = f"exit code {code}" if code else ""
        except subprocess.TimeoutExpired:
            problem = f"stopped after {seconds:.0f} s"
        printed, complaints = (file.seek(0) or file.read().decode() for file in (output, errors))
    rows = [cells for line in printed.splitlines() if len(cells := line.split("\t")) == 7]
    header = ["network", "function", "dtype", "batch", "faces per second", "ms per call", "memory, GB"]
    report.table("PyTorch", header, rows, TORCH_NOTES)
    if problem:
        report.add(f"PyTorch ended early, {problem}: {complaints[-500:]}")


@click.command(help=__doc__.split("\n")[0])
@click.option("-o", "--output", type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="Few and small batches, to try the program on a CPU.")
@click.option("--minutes", default=4.5, show_default=True, help="For all parts; what finds no time is left out.")
def main(output: Path | None, quick: bool, minutes: float) -> None:
    report = Report(output, minutes * 60)
    report.add(f"## {device_line()}\n\n{NOTES}")
    batches, main_batch = ((1, 4), 4) if quick else ((1, 8, 64, 256, 1024), 256)
    size, copied, faces = (512, 2**22, 16) if quick else (8192, 2**31, 1024)
    networks = recognizers((18,) if quick else (50, 100))
    first, second, *rest = networks
    ceilings: dict[str, float] = {}

    def speed(name: str) -> None:
        options = {"batches": batches, "main_batch": main_batch, "ceilings": ceilings}
        report.run(name, partial(report_speed, report, name, networks[name], **options), longest=70)

    report.run("Ceilings", partial(report_ceilings, report, ceilings, size=size, copied=copied), longest=30)
    report.run("Transfer", partial(report_transfer, report, faces=faces), longest=10)
    speed(first)
    compared = {name: networks[name] for name in (first, second)}
    precision = partial(report_precision, report, compared, count=8 if quick else 256)
    report.run("Effect of precision", precision, longest=60)
    speed(second)
    pytorch = partial(report_torch, report, batches="1,4" if quick else "1,64,256")
    report.run("PyTorch", pytorch, longest=85, least=45)
    inside = partial(report_network, report, networks[first], batches=(main_batch,))
    report.run("Depthwise layers inside SFace", inside, longest=40)
    for name in rest:
        speed(name)
    report.run("Depthwise layers alone", partial(report_layers, report, batch=main_batch), longest=40)
    if statistics := jax.devices()[0].memory_stats():  # CPUs have none
        report.add(f"Device memory in use at most, over all parts: {statistics['peak_bytes_in_use'] / 1e9:.1f} GB.")


if __name__ == "__main__":
    main()
