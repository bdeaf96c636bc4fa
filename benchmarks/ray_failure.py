"""Whether Ray Data loses or changes rows when one of two actors of FaceScorer is killed.

    pip install "pfiq-jax[ray]"
    python -m benchmarks.ray_failure FOLDER [--faces 2000] [-o benchmarks/results/ray_failure.md]

FOLDER has images of faces at any depth, which are repeated if they are too few. Each actor writes its process number
into a folder. When a quarter of the rows have been returned, the process of one actor is killed by SIGKILL.
"""

import os
import signal
import tempfile
from pathlib import Path
from time import perf_counter

import click
import numpy as np
import ray

from pfiq_jax import FaceScorer
from pfiq_jax.faces import expand_paths
from pfiq_jax.tables import markdown_table

ROWS = 64  # per batch


class NotedFaceScorer(FaceScorer):
    """A FaceScorer that writes the number of its process into a folder."""

    def __init__(self, folder: str, **settings):
        super().__init__(**settings)
        Path(folder, str(os.getpid())).touch()


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--faces", default=2000, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, faces: int, output: Path | None) -> None:
    paths = np.resize([str(path) for path in expand_paths([str(folder)])], faces).tolist()
    undisturbed = dict(scored_rows(paths, kill=False)[0])
    rows, killed, seconds = scored_rows(paths, kill=True)
    found = dict(rows)
    differences = [abs(found[row] - undisturbed[row]) for row in undisturbed if row in found]
    cells = [*map(str, (faces, killed, len(rows), len(found))), f"{max(differences):.1e}", f"{faces / seconds:.0f}"]
    header = [
        "faces",
        "actors killed",
        "rows",
        "distinct rows",
        "largest difference of raw scores",
        "faces per second",
    ]
    text = f"Ray {ray.__version__}, two actors on {os.cpu_count()} cores.\n\n{markdown_table(header, [cells])}\n"
    click.echo(text)
    if output:
        output.write_text(text)
    assert len(rows) == len(found) == faces


def scored_rows(paths: list[str], *, kill: bool) -> tuple[list[tuple[int, float]], int, float]:
    """Index and raw score of each row that Ray returns, the number of actors that were killed, and the seconds."""
    ray.init(num_cpus=2, object_store_memory=200 * 2**20, include_dashboard=False)
    with tempfile.TemporaryDirectory() as processes:
        data = ray.data.from_items([{"row": row, "image": path} for row, path in enumerate(paths)])
        scored = data.map_batches(
            NotedFaceScorer,
            fn_constructor_kwargs={"folder": processes, "batch_size": 4},
            batch_size=ROWS,
            compute=ray.data.ActorPoolStrategy(size=2),
        )
        start, rows, killed = perf_counter(), [], 0
        for row in scored.iter_rows():
            rows.append((row["row"], row["raw_quality"]))
            if kill and not killed and len(rows) >= len(paths) // 4:
                os.kill(int(sorted(os.listdir(processes))[0]), signal.SIGKILL)
                killed = 1
        seconds = perf_counter() - start
    ray.shutdown()
    return rows, killed, seconds


if __name__ == "__main__":
    main()
