"""Parity, speed and precision on the default device, for embedding, scores, maps and detector, next to PyTorch.

    python -m benchmarks.accelerator -o benchmarks/results/NAME.md [--quick] [--minutes 8]

It requires only files of the repository. The parts are in order of importance. Parts without time left are listed, and
the run continues after a part that fails. The exit code is 1 if the device does not agree with the CPU.
"""

import os
import platform
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

os.environ.setdefault("XLA_CLIENT_MEM_FRACTION", "0.7")  # the rest is for PyTorch

import click
import jax

from benchmarks.accelerator.ceilings import Ceilings, report_ceilings
from benchmarks.accelerator.parity import report_parity
from benchmarks.accelerator.precision import report_precision
from benchmarks.accelerator.report import Report, short
from benchmarks.accelerator.speed import detector_programs, programs, report_speed, report_torch
from benchmarks.accelerator.subjects import grouped_sface, random_iresnet
from pfiq_jax import load_detector, load_recognizer

NOTES = """\
`embed`, scores and maps of uint8 faces that lie on the device. Faces per second: calls queue, and the program waits for
the last of them. "ms per call": it waits for each. Medians of at least two and at most five samples. "Of products" and
"of copies": the share of the ceilings that this run measured. The first counts the program's floating-point operations,
the second the bytes that XLA counts in the compiled program. Memory: arguments (with the weights), results and
temporaries of the compiled program. A compilation is shorter if an earlier program has layers of the same shapes. The
precisions:

- "float32": JAX's default for the trunk, TF32 on NVIDIA GPUs from Ampere on; the head in full float32.
- "bfloat16": `with_precision("bfloat16")`, a trunk in bfloat16; the head in full float32."""


T = TypeVar("T")
PASSES = ("embed", "pixel_quality")


class Sizes(NamedTuple):
    """The sizes of batches, networks and arrays."""

    batch: int
    depths: tuple[int, ...]
    other_batches: tuple[int, ...]
    photos: int
    compared: int
    side: int
    megabytes: int


FULL = Sizes(256, (50, 100), (1, 16, 64, 1024), 64, 32, 8192, 4000)
QUICK = Sizes(4, (18,), (1,), 2, 4, 512, 40)


def device_line() -> str:
    """The device and the versions."""
    device = jax.devices()[0]
    platform_version = " ".join(device.client.platform_version.split())
    return (
        f"{device.device_kind}, {len(jax.local_devices())} of them, {os.cpu_count()} CPU cores; "
        f"jax {jax.__version__}, {platform_version}; Python {platform.python_version()}; "
        f"XLA_FLAGS: {os.environ.get('XLA_FLAGS', 'none')}"
    )


def attempt(report: Report, name: str, part: Callable[[], T]) -> T | None:
    """The result of a part. If the part fails, the reason is added to the report, and the result is None."""
    try:
        return part()
    except Exception as error:  # whatever a driver raises
        report.add(f"Not measured: {name}: {short(error)}.")
        return None


@click.command(help=__doc__.split("\n")[0])
@click.option("-o", "--output", type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="Use few and small batches, to try the program on a CPU.")
@click.option(
    "--minutes",
    default=8.0,
    show_default=True,
    help="Time limit; programs that would probably end later are not started.",
)
def main(output: Path | None, quick: bool, minutes: float) -> None:
    report = Report(output, minutes * 60)
    report.add(f"## {device_line()}\n\n{NOTES}")
    sizes = QUICK if quick else FULL
    sface, detector = jax.device_put((load_recognizer(), load_detector()))

    agrees = attempt(report, "parity", lambda: report_parity(report, sface, detector, count=sizes.compared))
    ceilings = attempt(
        report, "ceilings", lambda: report_ceilings(report, side=sizes.side, megabytes=sizes.megabytes)
    ) or Ceilings({}, float("nan"))
    table = partial(report_speed, report, ceilings)
    networks = {"SFace": sface, **{f"IResNet-{depth}": random_iresnet(depth) for depth in sizes.depths}}

    for name, network in networks.items():
        functions = ("embed", "face_quality", "pixel_quality") if name == "SFace" else PASSES
        both = (network, network.with_precision("bfloat16"))
        table(name, [program for each in both for program in programs(functions, name, each, sizes.batch)])
    table("YuNet", detector_programs(detector, (1, sizes.photos)))
    report_torch(report, batch=sizes.batch, depth=sizes.depths[0])
    others = [each for size in sizes.other_batches for each in programs(PASSES, "SFace", sface, size)]
    table("SFace, other batch sizes", others)
    attempt(report, "the effect of precision", lambda: report_precision(report, sface, count=sizes.batch))
    table("SER-FIQ", programs(("embed", "ser_fiq, 100 masks"), "SFace", sface, sizes.batch))
    table("SFace with XLA's grouped convolutions", programs(PASSES, "SFace", grouped_sface(sface), sizes.batch))
    if iresnet := networks.get("IResNet-50"):
        others = [each for size in sizes.other_batches for each in programs(PASSES, "IResNet-50", iresnet, size)]
        table("IResNet-50, other batch sizes", others)

    if agrees is False:
        sys.exit("The device does not agree with the CPU; see the table of parity.")


if __name__ == "__main__":
    main()
