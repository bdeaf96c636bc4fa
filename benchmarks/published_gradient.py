"""The published PLQ gradient by this library and by PyTorch's autograd, with the same weights and faces.

    python -m benchmarks.published_gradient DATA/faces/aligned112 [-o FILE]

The faces are every second file of the folder. PyTorch computes in float32 and in float64. PReLU's slope changes at 0,
so two programs in float32 may use different slopes for an input that is nearly 0. The comparison with float64 shows how
much of the difference is due to this.
"""

from pathlib import Path

import click
import jax
import numpy as np
import torch

from benchmarks.torch_sface import TorchSFace
from pfiq_jax import Recognizer, load_recognizer, pixel_quality, ser_fiq_closed_form
from pfiq_jax.faces import expand_paths, read_image
from pfiq_jax.tables import markdown_table

LIMIT = 1e-4


@jax.jit
def ours(recognizer: Recognizer, image: jax.Array, quality: jax.Array) -> jax.Array:
    return pixel_quality(recognizer, image, quality=quality, regressor="published").gradient


def by_torch(network: TorchSFace, image: np.ndarray, quality: float, dtype: torch.dtype) -> np.ndarray:
    """The gradient of N = sum_k (Q / sum(e)) e_k, as in the published code."""
    network = network.to(dtype)
    pixels = torch.tensor(image).to(dtype).permute(2, 0, 1)[None].requires_grad_()
    embedding = torch.nn.functional.normalize(network.fc(network.units(pixels)))[0]
    node = (quality / embedding.detach().sum() * embedding).sum()
    return torch.autograd.grad(node, pixels)[0][0].permute(1, 2, 0).double().numpy()


def difference(gradient: np.ndarray, reference: np.ndarray) -> float:
    return float(np.linalg.norm(gradient - reference) / np.linalg.norm(reference))


@click.command(help=__doc__.split("\n")[0])
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, output: Path | None) -> None:
    recognizer = load_recognizer()
    network = TorchSFace(recognizer)
    score = jax.jit(ser_fiq_closed_form)
    found: dict[str, list[float]] = {}
    paths = expand_paths([folder])[::2]
    for path in paths:
        image = read_image(path)
        quality = float(score(recognizer, image))
        exact = by_torch(network, image, quality, torch.float64)
        single = by_torch(network, image, quality, torch.float32)
        gradient = np.asarray(ours(recognizer, image, quality))
        for name, pair in {
            "pfiq_jax and torch, both in float32": (gradient, single),
            "pfiq_jax in float32 and torch in float64": (gradient, exact),
            "torch in float32 and in float64": (single, exact),
        }.items():
            found.setdefault(name, []).append(difference(*pair))
    rows = [
        [name, f"{np.median(each):.1e}", f"{max(each):.1e}", f"{np.mean(np.array(each) > LIMIT):.0%}"]
        for name, each in found.items()
    ]
    header = ["compared", "difference on the median face", "greatest", f"faces with more than {LIMIT:g}"]
    about = f"SFace, {len(paths)} faces. Difference: its length, divided by that of the gradient."
    text = f"{about}\n\n{markdown_table(header, rows)}\n"
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
