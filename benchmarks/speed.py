"""Time per face of the library, PyTorch and ONNX Runtime, with the same networks, in one run.

    python -m benchmarks.speed [--rounds 7] [--no-keep-memory] [-o benchmarks/results/NAME.md]

SFace has the same weights everywhere; those of IResNet-50 are random. Times are medians over rounds in which the
functions alternate, so that other load affects all of them equally. "Published" is the procedure of the published code:
the whole network once per mask (SER-FIQ, variant B) on one face per call, and the PLQ gradient on one face per call.
"Head only" is the fastest procedure in PyTorch: batches, and only the head repeated per mask.
"""

import functools
import os
import platform
from pathlib import Path
from time import perf_counter

import click
import jax
import numpy as np
import torch

import pfiq_jax
from benchmarks.torch_sface import TorchSFace
from pfiq_jax import ARCFACE_TORCH, IResNet, Recognizer, load_recognizer
from pfiq_jax.cpu_memory import keep_freed_memory
from pfiq_jax.tables import markdown_table
from weights_convert.torch_networks.iresnet import TorchIResNet

NUM_MASKS = 100
RATE = 0.5


class TorchIResNetOnPixels(torch.nn.Module):
    """An IResNet with the interface of TorchSFace: pixels in 0..255, separate ``units`` and dense layer ``fc``."""

    def __init__(self, depth: int):
        super().__init__()
        torch.manual_seed(0)
        self.network = TorchIResNet(depth, 512, 1e-5).eval().requires_grad_(False)
        self.fc, self.features = self.network.fc, self.network.features

    def units(self, images):
        *_, units, _ = self.network.steps((images - 127.5) / 127.5)
        return units.flatten(1)

    def forward(self, images):
        return self.network((images - 127.5) / 127.5)


def mean_distances(embeddings: torch.Tensor) -> torch.Tensor:
    """The mean pairwise distance (batch,) of embeddings (batch, masks, dim)."""
    unit = torch.nn.functional.normalize(embeddings, dim=-1)
    masks = unit.shape[1]
    return torch.cdist(unit, unit).sum((1, 2)) / (masks * (masks - 1))


def torch_ser_fiq(network, units: torch.Tensor) -> torch.Tensor:
    """SER-FIQ with the head repeated per mask."""
    dropped = torch.nn.functional.dropout(units[:, None].expand(-1, NUM_MASKS, -1), RATE, training=True)
    embeddings = network.features(network.fc(dropped).flatten(0, 1)).unflatten(0, (len(units), NUM_MASKS))
    return 2 * torch.sigmoid(-mean_distances(embeddings))


def torch_published_ser_fiq(network, image: torch.Tensor) -> torch.Tensor:
    """SER-FIQ with the whole network repeated per mask, on one face, as in the authors' current code."""
    units = network.units(image.expand(NUM_MASKS, -1, -1, -1))
    embeddings = network.features(network.fc(torch.nn.functional.dropout(units, RATE, training=True)))
    return 2 * torch.sigmoid(-mean_distances(embeddings[None]))


def torch_plq(network, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """SER-FIQ and the PLQ gradient, from one forward and one backward pass."""
    pixels = images.clone().requires_grad_()
    units = network.units(pixels)
    with torch.no_grad():
        quality = torch_ser_fiq(network, units)
    embedding = torch.nn.functional.normalize(network.fc(units))
    node = (quality / embedding.detach().sum(1))[:, None] * embedding
    return quality, torch.autograd.grad(node.sum(), pixels)[0]


def contestants(recognizer: Recognizer, network, images: np.ndarray, onnx_file: Path | None) -> dict:
    """By name, a function without arguments and the number of faces that it processes."""
    pixels = torch.tensor(np.float32(images)).permute(0, 3, 1, 2).contiguous()
    faces = len(images)

    def jitted(function):
        function = jax.jit(function)
        return lambda: jax.block_until_ready(function(recognizer, images))

    def inference(function):
        def run():
            with torch.inference_mode():
                return function()

        return run

    table = {
        "embed": (jitted(Recognizer.embed), faces),
        "ser_fiq_closed_form": (jitted(pfiq_jax.ser_fiq_closed_form), faces),
        "ser_fiq, 100 masks": (
            jitted(functools.partial(pfiq_jax.ser_fiq, jax.random.key(0), num_masks=NUM_MASKS)),
            faces,
        ),
        "pixel_quality": (jitted(pfiq_jax.pixel_quality), faces),
        "torch: embed": (inference(lambda: network(pixels)), faces),
        "torch: SER-FIQ, head only": (inference(lambda: torch_ser_fiq(network, network.units(pixels))), faces),
        "torch: SER-FIQ, published": (inference(lambda: torch_published_ser_fiq(network, pixels[:1])), 1),
        "torch: SER-FIQ and PLQ, head only": (lambda: torch_plq(network, pixels), faces),
        "torch: SER-FIQ and PLQ, one face per call": (lambda: torch_plq(network, pixels[:1]), 1),
    }
    if onnx_file is not None:
        table["ONNX Runtime: embed"] = (onnx_embed(onnx_file, pixels.numpy()), faces)
    return table


def onnx_embed(path: Path, pixels: np.ndarray):
    """ONNX Runtime on the int8 file with its weights converted to float32, so that it also runs in float32."""
    import onnx
    import onnxruntime

    from weights_convert.readers import read

    model = onnx.load(path)
    arrays = read(path).arrays
    unpacked = {}
    for node in [node for node in model.graph.node if node.op_type in ("DequantizeLinear", "Reshape")]:
        name = node.output[0].removesuffix("_reshaped").removesuffix("_dequantized")
        unpacked[node.output[0]] = onnx.numpy_helper.from_array(arrays[name], node.output[0])
        model.graph.node.remove(node)
    model.graph.initializer.extend(unpacked.values())
    del model.graph.input[1:]
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"data": pixels})


def medians(table: dict, rounds: int) -> dict[str, float]:
    """Milliseconds per face."""
    for run, _ in table.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in table}
    for _ in range(rounds):
        for name, (run, faces) in table.items():
            start = perf_counter()
            run()
            times[name].append((perf_counter() - start) / faces * 1000)
    return {name: float(np.median(each)) for name, each in times.items()}


def report(title: str, times: dict[str, float]) -> str:
    embed, torch_embed = times["embed"], times["torch: embed"]
    rows = [(name, f"{time:.2f}", f"{time / embed:.2f}") for name, time in times.items()]
    lines = [f"### {title}", "", markdown_table(["function", "ms per face", "x `embed`"], rows)]
    lines += ["", f"`embed` against torch: {embed / torch_embed:.2f}"]
    if "ONNX Runtime: embed" in times:
        lines[-1] += f", against ONNX Runtime: {embed / times['ONNX Runtime: embed']:.2f}"
    return "\n".join(lines) + "\n"


@click.command(help=__doc__.split("\n")[0])
@click.option("--rounds", default=7, show_default=True)
@click.option(
    "--keep-memory/--no-keep-memory", default=True, help="Keep freed memory as pfiq does, or return it to the system."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("../shared/data"),
    help="Folder with the weights for ONNX Runtime.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(rounds: int, keep_memory: bool, data: Path, output: Path | None) -> None:
    kept = keep_memory and keep_freed_memory()
    torch.set_num_threads(os.cpu_count() or 1)
    images = np.random.default_rng(0).integers(0, 256, (32, 112, 112, 3), np.uint8)
    onnx_file = data / "weights/sface/face_recognition_sface_2021dec_int8bq.onnx"
    sface = load_recognizer()
    network = IResNet(50)
    iresnet = Recognizer(jax.jit(network.initialize)(jax.random.key(0)), network, ARCFACE_TORCH)
    parts = [
        f"{jax.devices()[0].device_kind}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores; "
        f"jax {jax.__version__}, torch {torch.__version__}; median of {rounds} rounds; freed memory kept: {kept}.\n"
    ]
    for title, recognizer, torch_network, faces, file in (
        ("SFace, 32 faces", sface, TorchSFace(sface), 32, onnx_file if onnx_file.exists() else None),
        ("IResNet-50, 8 faces", iresnet, TorchIResNetOnPixels(50), 8, None),
    ):
        parts.append(report(title, medians(contestants(recognizer, torch_network, images[:faces], file), rounds)))
        click.echo(parts[-1])
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
