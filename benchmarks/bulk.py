"""End-to-end throughput from files to scores, with and without maps, relative to that of the device alone.

    python -m benchmarks.bulk FOLDER [--faces 1000] [--rounds 5] [-o benchmarks/results/bulk.md]

FOLDER has aligned faces at any depth. The functions alternate in every round, with their files in the page cache.
Relative rates are medians over rounds of the rate divided by the rate of `embed` in the same round, so that other load
affects all functions equally. Processor time counts all threads of the process, but not the decoding processes.
"""

import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import perf_counter, process_time

import click
import jax
import numpy as np

from pfiq_jax import Recognizer, load_recognizer
from pfiq_jax.cpu_memory import keep_freed_memory
from pfiq_jax.faces import Face, ReadFaces, expand_paths, read_face
from pfiq_jax.faces.batches import default_batch_size, read_ahead
from pfiq_jax.faces.records import Record
from pfiq_jax.scoring import score_files
from pfiq_jax.tables import markdown_table

SIZE = (112, 112)


def read(source) -> list[Face]:
    return [read_face(source, SIZE)]


def contestants(
    recognizer: Recognizer, paths: list[Path], pool: ProcessPoolExecutor
) -> dict[str, Callable[[], object]]:
    """The functions to compare, by name. Each of them processes all files once."""
    batch = default_batch_size()
    images = jax.device_put(np.stack([read(path)[0].image for path in paths[:batch]]))
    face = read(paths[0])[0]

    def embed() -> None:
        for _ in range(len(paths) // batch):
            embedding = recognizer.embed(images)
        jax.block_until_ready(embedding)

    def score(sources, read: ReadFaces = read, **options) -> None:
        assert sum(map(len, score_files(recognizer, sources, read, **options))) == len(paths)

    def from_processes() -> Iterator[Record]:
        for faces in pool.map(read, paths, chunksize=batch):
            yield Record("", faces[0].image)

    return {
        "embed, images on the device": embed,
        "score, images in memory": lambda: score(paths, lambda path: [face]),
        "score, decoding in threads": lambda: score(paths),
        "score, decoding in 2 processes": lambda: score(from_processes()),
        "score with maps, decoding in threads": lambda: score(paths, maps=True),
        "decoding alone, in threads": lambda: list(read_ahead(paths, read, 2 * batch)),
    }


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--faces", default=1000, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, faces: int, rounds: int, output: Path | None) -> None:
    keep_freed_memory()
    paths = list(itertools.islice(expand_paths([str(folder)]), faces))
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        functions = contestants(load_recognizer(), paths, pool)
        rates: dict[str, list[float]] = {name: [] for name in functions}
        costs: dict[str, list[float]] = {name: [] for name in functions}
        for number in range(rounds + 1):  # the first round compiles
            for name, function in functions.items():
                start, used = perf_counter(), process_time()
                function()
                if number:
                    rates[name].append(len(paths) / (perf_counter() - start))
                    costs[name].append((process_time() - used) / len(paths) * 1e3)
    embed = np.array(rates["embed, images on the device"])
    rows = [
        [name, f"{np.median(rate):.1f}", f"{np.median(np.array(rate) / embed):.2f}", f"{np.median(costs[name]):.2f}"]
        for name, rate in rates.items()
    ]
    device = jax.local_devices()[0].device_kind
    table = markdown_table(["what", "faces per second", "x `embed`", "ms of processor time per face"], rows)
    text = (
        f"{len(jax.local_devices())} x {device}, {os.cpu_count()} cores, batch {default_batch_size()}; {len(paths)} "
        f"files; jax {jax.__version__}; medians of {rounds} rounds; load average {os.getloadavg()[0]:.0f}. "
        f"Ratios are medians of the ratios; decoding processes do not count as processor time.\n\n{table}\n"
    )
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
