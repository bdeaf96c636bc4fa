"""How much a trunk in bfloat16 changes embeddings, scores and maps of real faces.

    python -m benchmarks.precision DATA/lfw_dev DATA/lfw_dev_degraded [--recognizer FILE ...] [-o FILE]

Compares the library's ``with_precision("bfloat16")`` with two cheaper treatments of BatchNorms, which the library does
not have.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.accelerator.precision import DIFFERENCES, differences, outputs
from benchmarks.speed import medians
from pfiq_jax import Recognizer, load_recognizer
from pfiq_jax.cpu_memory import keep_freed_memory
from pfiq_jax.faces import expand_paths, read_face
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.tables import markdown_table

TIMED = 8  # faces
ROUNDS = 9
NOTES = """\
Differences from float32, as mean / largest over faces, pairs of faces or pixels. "Cosine of pairs": the similarity of
two faces. "Turned": one minus the cosine between a face's embeddings in both precisions. The raw score is that of
`face_quality`, in standard deviations over the faces. The gradient of `pixel_quality` is compared by the length of the
difference, relative to its own. "Time": of `embed` on this device, relative to float32 in the same rounds."""


def rounded(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), tree)


def with_rounded_norms(recognizer: Recognizer) -> Recognizer:
    """A trunk in bfloat16, including its BatchNorms."""
    return _with_trunk(recognizer, rounded)


def with_folded_norms(recognizer: Recognizer) -> Recognizer:
    """A trunk in bfloat16. Its BatchNorms are a factor and a summand, computed in float32 and then rounded."""
    epsilon = recognizer.network.epsilon

    def fold(node: Any) -> Any:
        if not _is_norm(node):
            return rounded(node)
        factor = node["scale"] * jax.lax.rsqrt(node["var"] + epsilon)
        summand = node["bias"] - node["mean"] * factor
        ones = jnp.ones_like(factor)
        return rounded({"scale": factor, "bias": summand, "mean": jnp.zeros_like(factor), "var": ones - epsilon})

    return _with_trunk(recognizer, fold)


def _is_norm(node: Any) -> bool:
    return isinstance(node, dict) and "var" in node


def _with_trunk(recognizer: Recognizer, change: Callable[[Any], Any]) -> Recognizer:
    trunk = jax.tree.map(change, recognizer.parameters["trunk"], is_leaf=_is_norm)
    return dataclasses.replace(recognizer, parameters={**recognizer.parameters, "trunk": trunk})


VARIANTS: dict[str, Callable[[Recognizer], Recognizer]] = {
    "bfloat16": lambda recognizer: recognizer.with_precision("bfloat16"),
    "BatchNorms rounded too": with_rounded_norms,
    "BatchNorms folded, then rounded": with_folded_norms,
}


def rows(name: str, recognizer: Recognizer, images: np.ndarray) -> list[list[str]]:
    """One row per variant."""
    compute = jax.jit(outputs)
    variants = {label: change(recognizer) for label, change in VARIANTS.items()}
    reference = in_batches(lambda batch: compute(recognizer, batch), images)
    found = {
        label: in_batches(lambda batch, each=each: compute(each, batch), images) for label, each in variants.items()
    }

    def timed(network: Recognizer) -> tuple[Callable[[], Any], int]:
        return lambda: jax.block_until_ready(network.embed(images[:TIMED])), TIMED

    times = medians({label: timed(each) for label, each in {"float32": recognizer, **variants}.items()}, ROUNDS)
    return [
        [name, label, *differences(found[label], reference), f"{times[label] / times['float32']:.2f}"]
        for label in VARIANTS
    ]


@click.command(help=__doc__.split("\n")[0])
@click.argument("folders", type=click.Path(exists=True), nargs=-1, required=True)
@click.option("--recognizer", "files", multiple=True, help="Weights of another network to measure; may be repeated.")
@click.option("--faces", default=60, show_default=True, help="Number of faces per folder, evenly spaced.")
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folders: tuple[str, ...], files: tuple[str, ...], faces: int, output: Path | None) -> None:
    keep_freed_memory()
    recognizers = {"SFace": load_recognizer(), **{Path(file).stem: load_recognizer(file) for file in files}}
    paths = [path for folder in folders for path in evenly(expand_paths([folder]), faces)]
    images = np.stack([read_face(path, (112, 112)).image for path in paths])
    device = jax.devices()[0].device_kind
    found = [row for name, recognizer in recognizers.items() for row in rows(name, recognizer, images)]
    table = markdown_table(["network", "trunk", *DIFFERENCES, "time"], found)
    text = f"{len(images)} faces; {device}, jax {jax.__version__}.\n\n{NOTES}\n\n{table}\n"
    click.echo(text)
    if output:
        output.write_text(text)


def evenly(paths: list[Path], count: int) -> list[Path]:
    return [paths[place] for place in np.linspace(0, len(paths) - 1, count).astype(int)]


if __name__ == "__main__":
    main()
