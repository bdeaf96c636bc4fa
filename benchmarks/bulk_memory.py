"""Memory of ``pfiq score`` while it scores many images, with a network that computes almost nothing.

    python -m benchmarks.bulk_memory FOLDER [--images 200000] [-o benchmarks/results/bulk_memory.md]

FOLDER holds images, also in subfolders. The list repeats their names until it is long enough, and every twentieth name
is of a file that does not exist. What the command keeps in memory does not depend on the network, so a small network is
enough.
"""

import tempfile
import threading
import time
from pathlib import Path

import click
import jax
import jax.numpy as jnp

from pfiq_jax import Recognizer
from pfiq_jax.cli import main as pfiq
from pfiq_jax.faces import expand_paths
from pfiq_jax.tables import markdown_table

PAUSE = 0.5  # seconds between two checks


def small_network() -> Recognizer:
    return Recognizer.from_functions(
        lambda parameters, images: jnp.tanh(images[:, ::16, ::16] / 128 - 1),
        lambda parameters, features: features.reshape(features.shape[0], -1) @ parameters,
        jax.random.normal(jax.random.key(0), (7 * 7 * 3, 8)),
    )


def megabytes() -> float:
    """The memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--images", default=200_000, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, images: int, output: Path | None) -> None:
    import pfiq_jax.cli.score as command

    good = [str(path.absolute()) for path in expand_paths([folder])]
    rows = []
    with tempfile.TemporaryDirectory() as place:
        scores = Path(place, "scores")
        listed = Path(place, "list.txt")
        listed.write_text("\n".join(f"none{i}.png" if i % 20 == 7 else good[i % len(good)] for i in range(images)))

        def start(*_: object) -> Recognizer:
            rows.append(("before the first image, with the list", "0", f"{megabytes():.0f}"))
            return small_network()

        def watch() -> None:
            said = 0
            while not done.wait(PAUSE):
                shards = len(list(scores.glob("scores-*.parquet")))
                if shards and shards >= 2 * said:
                    said = shards
                    rows.append((f"shards written: {shards}", f"{shards * 2048:,}", f"{megabytes():.0f}"))

        command.start = start
        done, started = threading.Event(), time.perf_counter()
        thread = threading.Thread(target=watch)
        thread.start()
        try:
            pfiq(["score", str(listed), "-o", str(scores)])
        except SystemExit:  # with 1, since some images have no score
            pass
        finally:
            done.set()
            thread.join()
        rows.append(("at the end", f"{images:,}", f"{megabytes():.0f}"))
        seconds = time.perf_counter() - started
    text = f"## {images:,} images in {seconds:.0f} s\n\n{markdown_table(['when', 'images', 'MiB in memory'], rows)}\n"
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
