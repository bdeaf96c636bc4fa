"""Errors of SER-FIQ's closed form and of 100 masks, compared with 20,000 masks, per set of real faces.

python -m benchmarks.closed_form ../shared/data/faces/aligned112
"""

from collections.abc import Mapping
from pathlib import Path

import click
import jax
import numpy as np

from pfiq_jax import Recognizer, load_recognizer, ser_fiq, ser_fiq_closed_form
from pfiq_jax.faces import expand_paths, read_image
from pfiq_jax.tables import markdown_table

MASKS, KEYS = 20_000, 10


def errors(
    recognizer: Recognizer, faces: Mapping[str, np.ndarray], *, masks: int = MASKS, keys: int = KEYS
) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the raw score relative to many masks, by the closed form (faces,) and by 100 masks (keys, faces)."""
    seen = recognizer.forward(np.stack(list(faces.values())))
    truth = np.asarray(ser_fiq(jax.random.key(0), recognizer, seen, num_masks=masks))
    closed = ser_fiq_closed_form(recognizer, seen)
    of_keys = [ser_fiq(jax.random.key(seed), recognizer, seen, num_masks=100) for seed in range(1, keys + 1)]
    return np.asarray(closed) - truth, np.stack(of_keys) - truth


def by_set(faces: Mapping[str, np.ndarray], closed: np.ndarray, sampled: np.ndarray) -> dict[str, tuple[float, float]]:
    """Root mean square errors of the closed form and of 100 masks, for every folder of faces and for all faces."""
    folders = np.array([name.split("/")[0] for name in faces])
    chosen = {folder: folders == folder for folder in np.unique(folders)} | {"all": np.full(len(folders), True)}
    return {
        str(folder): (float(np.sqrt(np.mean(closed[here] ** 2))), float(np.sqrt(np.mean(sampled[:, here] ** 2))))
        for folder, here in chosen.items()
    }


@click.command(help=__doc__.split("\n")[0])
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, output: Path | None) -> None:
    faces = {str(path.relative_to(folder)): read_image(path) for path in expand_paths([folder])}
    closed, sampled = errors(load_recognizer(), faces)
    rows = [(name, f"{a:.6f}", f"{b:.6f}") for name, (a, b) in by_set(faces, closed, sampled).items()]
    table = markdown_table(["faces", "closed form", "100 masks"], rows)
    text = f"Root mean square error of the raw score against {MASKS:,} masks.\n\n{table}\n"
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
