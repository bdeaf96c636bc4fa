"""The cost of Score-CAM, and the agreement of cheaper activation maps with it.

    python -m benchmarks.activation_maps ../shared/data/lfw_dev ../shared/data/lfw_dev_degraded [--recognizer FILE ...]

Costs are measured with the bundled network, as medians over rounds in which the methods alternate. Agreement with the
full Score-CAM (defaults) is measured per pixel, for every recogniser, on a few faces of different people of every
folder. The table includes methods that were tried, but left out of the library.
"""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter

import click
import jax
import jax.numpy as jnp
import numpy as np

from pfiq_jax import Recognizer, load_recognizer, mean_activation, sampled_score_cam, score_cam
from pfiq_jax.cpu_memory import keep_freed_memory
from pfiq_jax.faces import expand_paths, read_face
from pfiq_jax.maps.activation_map import activation_map
from pfiq_jax.maps.score_cam import (
    CHUNK_SIZE,
    channels_of,
    masked_scores,
    similarity,
    summands,
)
from pfiq_jax.tables import markdown_table
from pfiq_jax.vectors import norm

TOP = 64  # channels


def length_gradient(recognizer: Recognizer, features: jax.Array) -> jax.Array:
    """The gradient of the embedding's length. The gradient of the cosine to the image's own embedding is 0."""
    return jax.grad(lambda features: jnp.sum(norm(recognizer.head(features))))(features)


def grad_cam(recognizer: Recognizer, image: jax.Array) -> jax.Array:
    """Channels weighted by the mean gradient of the embedding's length."""
    features = recognizer.features(image[None])
    weights = jnp.mean(length_gradient(recognizer, features), (1, 2), keepdims=True)
    return activation_map(jnp.sum(features * weights, -1)[0], recognizer.preprocessing.size)


def layer_cam(recognizer: Recognizer, image: jax.Array) -> jax.Array:
    """Activations times the positive part of the gradient of the embedding's length, at each place."""
    features = recognizer.features(image[None])
    weights = jax.nn.relu(length_gradient(recognizer, features))
    return activation_map(jnp.sum(features * weights, -1)[0], recognizer.preprocessing.size)


def gradient_times_activation(recognizer: Recognizer, image: jax.Array) -> jax.Array:
    features = recognizer.features(image[None])
    return activation_map(
        jnp.sum(features * length_gradient(recognizer, features), -1)[0], recognizer.preprocessing.size
    )


def masked_features(recognizer: Recognizer, image: jax.Array) -> jax.Array:
    """Score-CAM with masks on the features instead of the pixels, with one pass of the head per channel."""
    face = recognizer.forward(image)
    grids = channels_of(face)
    masks = summands(jax.nn.relu(grids), recognizer.preprocessing.size, "amva")

    def score(mask: jax.Array) -> jax.Array:
        masked = jnp.moveaxis(grids * mask[None], 0, -1)[None]
        return similarity(recognizer.head(masked), face.embedding[None], "cosine")[0]

    weights = jax.lax.map(score, masks, batch_size=CHUNK_SIZE)
    return activation_map(jnp.tensordot(weights, masks, 1), recognizer.preprocessing.size)


def some_channels(recognizer: Recognizer, image: jax.Array, *, top: bool) -> jax.Array:
    """Score-CAM with a few channels only: the channels of most energy, or evenly spaced channels."""
    face = recognizer.forward(image)
    grids = jax.nn.relu(channels_of(face))
    chosen = jnp.arange(TOP) * len(grids) // TOP
    if top:
        _, chosen = jax.lax.top_k(jnp.sum(jnp.square(grids), (1, 2)), TOP)
    grids = grids[chosen]
    weights = masked_scores(recognizer, face, grids, variant="amva", score="cosine", at_once=CHUNK_SIZE)
    masks = summands(grids, recognizer.preprocessing.size, "amva")
    return activation_map(jnp.tensordot(weights, masks, 1), recognizer.preprocessing.size)


METHODS: Mapping[str, Callable] = {
    "`sampled_score_cam`": sampled_score_cam,
    "`mean_activation`": mean_activation,
    '`score_cam(variant="paper")`': functools.partial(score_cam, variant="paper"),
    f"Score-CAM, {TOP} even channels only": functools.partial(some_channels, top=False),
    f"Score-CAM, {TOP} channels of most energy only": functools.partial(some_channels, top=True),
    "Score-CAM, masks on the features": masked_features,
    "LayerCAM of the length": layer_cam,
    "gradient of the length x activation": gradient_times_activation,
    "Grad-CAM of the length": grad_cam,
}


def costs(recognizer: Recognizer, face: np.ndarray, rounds: int) -> str:
    """Seconds per face, also relative to one forward pass per channel of the features."""
    channels = jax.eval_shape(recognizer.features, face).shape[-1]
    embed = jax.jit(Recognizer.embed)
    chunk, one = np.repeat(face[None], CHUNK_SIZE, 0), face[None]
    contestants: dict[str, tuple[Callable, float]] = {
        f"{channels} x `embed`, {CHUNK_SIZE} images per call": (
            lambda: embed(recognizer, chunk),
            channels / CHUNK_SIZE,
        ),
        f"{channels} x `embed`, one image per call": (lambda: embed(recognizer, one), channels),
        "`score_cam`": (lambda: score_cam(recognizer, face), 1),
        "`sampled_score_cam`": (lambda: sampled_score_cam(recognizer, face), 1),
        "`mean_activation`": (functools.partial(jax.jit(mean_activation), recognizer, face), 1),
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, (run, factor) in contestants.items():
            start = perf_counter()
            jax.block_until_ready(run())
            if turn:  # the first compiles
                times[name].append((perf_counter() - start) * factor)
    medians = {name: float(np.median(each)) for name, each in times.items()}
    chunks, single, *_ = medians.values()
    header = ["method", "seconds per face", "x forward passes in chunks", "x forward passes one by one"]
    return markdown_table(
        header,
        [
            [name, *(f"{number:.3f}" for number in (each, each / chunks, each / single))]
            for name, each in medians.items()
        ],
    )


def memory(recognizer: Recognizer, face: np.ndarray) -> str:
    """The memory that the compiler reserves, in addition to arguments and results."""
    rows = []
    for chunk_size in (8, CHUNK_SIZE, 4 * CHUNK_SIZE):
        compiled = jax.jit(functools.partial(score_cam, chunk_size=chunk_size)).lower(recognizer, face).compile()
        rows.append([str(chunk_size), f"{compiled.memory_analysis().temp_size_in_bytes / 1e6:.0f}"])
    return markdown_table(["masked images at a time", "MB in addition to the weights"], rows)


def agreement(recognizer: Recognizer, sets: Mapping[str, Sequence[np.ndarray]]) -> str:
    """Mean and least correlation over pixels, and mean absolute difference, per set of faces."""
    header = ["compared with full `score_cam`"]
    rows = {name: [name] for name in METHODS}
    compiled = {name: jax.jit(method) for name, method in METHODS.items()}
    for set_name, faces in sets.items():
        header += [f"{set_name}: correlation", "least", "difference"]
        full = [np.asarray(score_cam(recognizer, face)).ravel() for face in faces]
        for name, method in compiled.items():
            maps = [np.asarray(method(recognizer, jnp.asarray(face, jnp.float32))).ravel() for face in faces]
            correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(maps, full, strict=True)]
            difference = np.mean(np.abs(np.subtract(maps, full)))
            rows[name] += [f"{number:.3f}" for number in (np.mean(correlations), np.min(correlations), difference)]
    return markdown_table(header, rows.values())


def faces_of(folder: Path, count: int) -> list[np.ndarray]:
    """Faces that are evenly spaced over the files, so that they show different people."""
    paths = expand_paths([folder])
    return [read_face(paths[index * len(paths) // count], (112, 112)).image for index in range(count)]


@click.command(help=__doc__.split("\n")[0])
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--recognizer", "files", multiple=True, type=click.Path(path_type=Path, exists=True))
@click.option("--faces", "count", default=5, show_default=True, help="Number of faces per folder.")
@click.option("--rounds", default=3, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folders: tuple[Path, ...], files: tuple[Path, ...], count: int, rounds: int, output: Path | None) -> None:
    keep_freed_memory()
    bundled = load_recognizer()
    sets = {folder.name: faces_of(folder, count) for folder in folders}
    face = next(iter(sets.values()))[0]
    text = f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores, jax {jax.__version__}; medians of {rounds} rounds."
    parts = [text, costs(bundled, face, rounds), memory(bundled, face)]
    recognizers = {"bundled": bundled} | {file.stem: load_recognizer(file) for file in files}
    for name, recognizer in recognizers.items():
        parts += [f"{name}, {count} faces of each set:", agreement(recognizer, sets)]
    report = "\n\n".join(parts) + "\n"
    click.echo(report)
    if output:
        output.write_text(report)


if __name__ == "__main__":
    main()
