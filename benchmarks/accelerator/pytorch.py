"""PyTorch's faces per second with the same networks on the same device, as rows of tab-separated cells.

    python -m benchmarks.accelerator.pytorch --seconds 60 --batches 1,256

A program of its own, so that each of the two libraries has the device's memory and its own version of cuDNN. JAX runs
on the CPU here; it only loads the weights of SFace.
"""

import copy
import os
from collections.abc import Callable
from time import perf_counter

os.environ["JAX_PLATFORMS"] = "cpu"

import click
import numpy as np
import torch

from benchmarks.accelerator.programs import time_calls
from benchmarks.accelerator.report import short
from benchmarks.accelerator.subjects import disturbed_faces
from benchmarks.speed import TorchIResNetOnPixels
from benchmarks.torch_sface import TorchSFace
from pfiq_jax import load_recognizer


def networks() -> dict[str, torch.nn.Module]:
    """Embedding networks of RGB pixels in 0..255, (batch, 3, 112, 112)."""
    iresnets = {f"IResNet-{depth}": TorchIResNetOnPixels(depth) for depth in (50, 100)}
    return {"SFace": TorchSFace(load_recognizer()), **iresnets}


def gradient_of(network: torch.nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """The gradient of the embedding's length by the pixels: forward and backward, the passes that a map takes."""

    def run(pixels: torch.Tensor) -> torch.Tensor:
        pixels = pixels.detach().requires_grad_()
        return torch.autograd.grad(network(pixels).float().norm(dim=1).sum(), pixels)[0]

    return run


def time_on(device: torch.device, function: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor) -> list[str]:
    """Cells of a row: faces per second, milliseconds per call, memory in GB."""

    def finish(result: torch.Tensor) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    alone, queued = time_calls(lambda: function(pixels), finish)
    memory = f"{torch.cuda.max_memory_allocated() / 1e9:.2f}" if device.type == "cuda" else ""
    return [f"{len(pixels) / queued:,.0f}", f"{alone * 1000:.2f}", memory]


@click.command(help=__doc__.split("\n")[0])
@click.option("--seconds", default=60.0)
@click.option("--batches", default="1,256", help="The last one is the main one.")
def main(seconds: float, batches: str) -> None:
    end = perf_counter() + seconds
    sizes = [int(each) for each in batches.split(",")]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")  # TF32, as JAX's default
    torch.backends.cudnn.allow_tf32 = True
    faces = np.resize(disturbed_faces(min(32, max(sizes))), (max(sizes), 112, 112, 3))
    images = torch.tensor(faces, device=device).permute(0, 3, 1, 2)  # so channels come last in memory
    jobs = [
        (mode, name, dtype, size)
        for mode in ("embed", "embed and gradient", "embed, compiled")
        for name in ("SFace", "IResNet-50", "IResNet-100")
        for dtype in (torch.float32, torch.bfloat16)
        for size in reversed(sizes)
        if mode == "embed" or (size == sizes[-1] and (mode == "embed and gradient" or name != "IResNet-100"))
    ]
    built = networks()
    for mode, name, dtype, size in jobs:
        labels = [name, mode, str(dtype).removeprefix("torch."), str(size)]
        try:
            if perf_counter() > end:
                raise TimeoutError("no time left")
            network = copy.deepcopy(built[name]).to(device, dtype).to(memory_format=torch.channels_last)
            pixels = images[:size].to(dtype)
            if mode == "embed and gradient":
                cells = time_on(device, gradient_of(network), pixels)
            else:
                function = torch.compile(network, dynamic=False) if mode == "embed, compiled" else network
                with torch.inference_mode():
                    cells = time_on(device, function, pixels)
        except Exception as error:  # whatever a driver or a compiler raises
            cells = [short(error), "", ""]
        click.echo("\t".join([*labels, *cells]))


if __name__ == "__main__":
    main()
