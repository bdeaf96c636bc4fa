"""Time and memory of converting an IResNet-100 with random weights (261 MB), per file format.

python -m benchmarks.conversion

Times are medians over rounds. Memory is the highest peak of the whole process; Python and JAX account for about 0.25 GB
of it.
"""

import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import click

from pfiq_jax.tables import markdown_table

ROUNDS = 3
PROGRAM = "from weights_convert.cli import main; main()"


def write_sources(folder: Path) -> list[Path]:
    """Writes one network as PyTorch, safetensors and ONNX files; in the ONNX file its BatchNorms are folded."""
    import torch
    from safetensors.torch import save_file

    from weights_convert.torch_networks.iresnet import TorchIResNet

    model = TorchIResNet(100, 512, 1e-5).eval()
    paths = [folder / f"iresnet100{suffix}" for suffix in (".pt", ".safetensors", ".onnx")]
    torch.save(model.state_dict(), paths[0])
    save_file(model.state_dict(), paths[1])
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(model, (torch.zeros(1, 3, 112, 112),), paths[2], dynamo=False)
    return paths


def convert(source: Path, output: Path) -> tuple[float, int]:
    """The duration in seconds and the peak memory in bytes of a conversion."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, "convert", source, output], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return time.perf_counter() - start, usage.ru_maxrss * 1024


@click.command(help=__doc__.split("\n")[0])
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(output: Path | None) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own, since processes inherit the peak of their parent.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            sources = pool.apply(write_sources, (Path(folder),))
        for source in sources:
            size = source.stat().st_size
            runs = [convert(source, Path(folder) / "converted.safetensors") for _ in range(ROUNDS)]
            seconds, peak = statistics.median(run[0] for run in runs), max(run[1] for run in runs)
            numbers = (f"{size / 1e6:.0f}", f"{seconds:.1f}", f"{peak / 1e6:.0f}", f"{peak / size:.1f}")
            rows.append((f"`{source.suffix}`", *numbers))
    table = markdown_table(["file", "MB", "seconds", "peak, MB", "peak / file"], rows)
    text = f"An IResNet-100: median time and greatest peak of {ROUNDS} conversions.\n\n{table}\n"
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
