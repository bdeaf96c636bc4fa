"""Faces per second of PyTorch with the same networks on the same device, as rows of tab-separated cells.

    python -m benchmarks.accelerator.pytorch 256 50

It is a program of its own, so that each of the two libraries has the memory of the device and its own version of cuDNN.
Here JAX runs on the CPU and only loads the weights of SFace.
"""

import copy
import os
from collections.abc import Callable, Iterator

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


def gradient_of(network: torch.nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """The gradient of the embedding's length by the pixels, with the forward and backward pass that a map takes."""

    def run(pixels: torch.Tensor) -> torch.Tensor:
        pixels = pixels.detach().requires_grad_()
        return torch.autograd.grad(network(pixels).norm(dim=1).sum(), pixels)[0]

    return run


def embed_with(network: torch.nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """The embeddings, without the intermediate values for a gradient."""

    def run(pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return network(pixels)

    return run


def time_on(device: torch.device, function: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor) -> list[str]:
    """Cells of a row, with faces per second, milliseconds per call, and memory in GB."""

    def finish(result: torch.Tensor) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    alone, queued = time_calls(lambda: function(pixels), finish)
    memory = f"{torch.cuda.max_memory_allocated() / 1e9:.2f}" if device.type == "cuda" else ""
    return [f"{len(pixels) / queued:,.0f}", f"{alone * 1000:.2f}", memory]


def programs(name: str, network: torch.nn.Module) -> Iterator[tuple[list[str], torch.nn.Module, bool]]:
    """The labels of each row, the network, and whether a gradient is taken; most important rows first."""
    compiled = torch.compile(network, dynamic=False)
    yield ["embed", name, "float32"], network, False
    yield ["embed, compiled", name, "float32"], compiled, False
    yield ["embed and gradient, compiled", name, "float32"], compiled, True
    narrow = torch.compile(copy.deepcopy(network).bfloat16(), dynamic=False)
    yield ["embed, compiled", name, "bfloat16"], narrow, False
    yield ["embed and gradient", name, "float32"], network, True


@click.command(help=__doc__.split("\n")[0])
@click.argument("batch", type=int)
@click.argument("depth", type=int)
def main(batch: int, depth: int) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")  # TF32, as JAX's default
    torch.backends.cudnn.allow_tf32 = True
    faces = np.resize(disturbed_faces(min(32, batch)), (batch, 112, 112, 3))
    pixels = torch.tensor(faces, device=device).permute(0, 3, 1, 2).float()  # channels are last in memory
    networks = {"SFace": TorchSFace(load_recognizer()), f"IResNet-{depth}": TorchIResNetOnPixels(depth)}
    by_network = [
        programs(name, network.to(device).to(memory_format=torch.channels_last)) for name, network in networks.items()
    ]
    for each in zip(*by_network, strict=True):
        for labels, network, with_gradient in each:
            function = gradient_of(network) if with_gradient else embed_with(network)
            try:
                cells = time_on(device, function, pixels.bfloat16() if labels[-1] == "bfloat16" else pixels)
            except Exception as error:  # whatever a driver or a compiler raises
                click.echo(f"{', '.join(labels)}: {short(error)}", err=True)
            else:
                click.echo("\t".join([*labels, str(batch), *cells]))


if __name__ == "__main__":
    main()
