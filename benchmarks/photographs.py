"""Scores of photographs, compared with scores of existing crops of the same photographs.

python -m benchmarks.photographs ../shared/data

This library detects, aligns and scores the faces in the photographs of LFW in ``lfw_photos``. The crops in ``lfw_dev``
of the same photographs were made with OpenCV and stored as JPEG with quality 90. Our crops are therefore compared as
they are, and stored in the same way. In the pairs of LFW with one of these photographs, its crop is replaced by ours.
"""

import io
from pathlib import Path

import click
import jax
import numpy as np
from PIL import Image
from scipy.stats import spearmanr

from benchmarks.verification import accuracies, read_pairs
from pfiq_jax import Recognizer, load_recognizer, relative_norm
from pfiq_jax.cpu_memory import keep_freed_memory
from pfiq_jax.faces import read_image
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.faces.readers import Detection, reader_of
from pfiq_jax.faces.reading import read_faces
from pfiq_jax.tables import markdown_table


def agreement(data: Path, recognizer: Recognizer) -> tuple[str, dict[Path, np.ndarray]]:
    """Raw scores of photographs and of their crops, and our aligned faces by the path of the crop."""
    photos = sorted((data / "lfw_photos").glob("*.jpg"))
    found = read_faces(photos, reader_of(recognizer, None, Detection("centre")))
    crops = [data / "lfw_dev" / path.stem.rsplit("_", 1)[0] / path.name for path in found.paths]
    theirs = np.stack([read_image(path) for path in crops])
    score = jax.jit(relative_norm)
    reference = in_batches(lambda x: score(recognizer, x), theirs)
    rows = []
    for name, images in (("as they are", found.images), ("stored as JPEG", np.stack([*map(stored, found.images)]))):
        scores = in_batches(lambda x: score(recognizer, x), images)
        change = np.abs(scores / reference - 1)
        rank = spearmanr(scores, reference).statistic
        shares = [f"{each:.2%}" for each in (np.median(change), change.max(), np.mean(change > 0.01))]
        rows.append([name, *shares, f"{rank:.4f}"])
    header = [
        f"aligned faces of {len(found.paths)} of {len(photos)} photographs",
        *("change of the raw score, median", "greatest", "more than 1%", "Spearman"),
    ]
    return markdown_table(header, rows), dict(zip(crops, found.images, strict=True))


def stored(face: np.ndarray) -> np.ndarray:
    """A face after it was stored in the same way as the crops."""
    file = io.BytesIO()
    Image.fromarray(face).save(file, "JPEG", quality=90)
    return np.asarray(Image.open(file))


def verification(data: Path, recognizer: Recognizer, ours: dict[Path, np.ndarray]) -> str:
    """Accuracy on the pairs of LFW, with the stored crops, and with our crops instead where they exist."""
    pairs = read_pairs(data / "lfw_dev_pairs.txt", data / "lfw_dev")
    paths = sorted({path for *both, _ in pairs for path in both})
    place = {path: index for index, path in enumerate(paths)}
    first, second = (np.array([place[pair[side]] for pair in pairs]) for side in (0, 1))
    mated = np.array([pair[2] for pair in pairs])
    embed = jax.jit(Recognizer.embed)
    given = np.stack([read_image(path) for path in paths])
    replaced = np.stack([ours.get(path, image) for path, image in zip(paths, given, strict=True)])
    touched = sum(first in ours or second in ours for first, second, _ in pairs)
    rows = []
    for name, images in (("given crops", given), ("ours where there are", replaced)):
        embeddings = in_batches(lambda x: embed(recognizer, x), images)
        unit = embeddings / np.linalg.norm(embeddings, axis=-1, keepdims=True)
        folds = accuracies(np.sum(unit[first] * unit[second], -1), mated)
        rows.append([name, f"{100 * folds.mean():.2f}"])
    return markdown_table([f"{len(pairs)} pairs, {touched} of them with our crops", "accuracy, %"], rows)


@click.command(help=__doc__.split("\n")[0])
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(data: Path, output: Path | None) -> None:
    keep_freed_memory()
    recognizer = load_recognizer()
    scores, ours = agreement(data, recognizer)
    text = f"{scores}\n\n{verification(data, recognizer, ours)}\n"
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
