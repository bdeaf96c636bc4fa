"""Verification accuracy of converted networks and of their sources, on pairs of Labeled Faces in the Wild.

python -m benchmarks.verification ../shared/data

Compares converted SFace and MobileFaceNet y1 with the sources in their own runtime, on the same pairs and folds.
Similarity is the cosine, without flipped images. Each of ten folds uses the threshold that is best on the other nine.
"+-" is the standard deviation over the folds.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import click
import jax
import numpy as np
from tqdm import tqdm

from pfiq_jax import Recognizer
from pfiq_jax.cpu_memory import keep_freed_memory
from pfiq_jax.evaluation import FMR
from pfiq_jax.faces import read_image
from pfiq_jax.tables import markdown_table
from weights_convert.convert import convert
from weights_convert.readers import read
from weights_convert.source import Source
from weights_convert.verify import run_source

WEIGHTS = {
    "SFace": "sface/face_recognition_sface_2021dec_int8bq.onnx",
    "MobileFaceNet y1": "mobilefacenet_y1/model-0000.params",
}
FOLDS = 10
BATCH = 32


def sections(measure: Callable[[Recognizer, Path], str], data: Path) -> list[str]:
    """The text that a function returns for each network, after the network's name. Each is printed when it is ready."""
    found = []
    for name, file in reversed(WEIGHTS.items()):
        found.append(f"{name}. {measure(convert(read(data / 'weights' / file)), data)}")
        click.echo(found[-1])
    return found


Pairs = list[tuple[Path, Path, bool]]


def read_pairs(table: Path, folder: Path) -> Pairs:
    """Reads LFW's own table: (name, i, j) are two images of one person, (name, i, name, j) images of two people."""

    def image(name: str, number: str) -> Path:
        return folder / name / f"{name}_{int(number):04}.jpg"

    rows = [line.split("\t") for line in table.read_text().splitlines()]
    return [
        (image(row[0], row[1]), image(row[-2] if len(row) == 4 else row[0], row[-1]), len(row) == 3) for row in rows
    ]


def accuracies(similarities: np.ndarray, mated: np.ndarray) -> np.ndarray:
    """The accuracy in each fold, at the threshold with the highest accuracy on all other folds.

    A fold contains every tenth mated and every tenth non-mated pair.
    """
    folds = np.empty(len(mated), int)
    for kind in (True, False):
        folds[mated == kind] = np.arange((mated == kind).sum()) % FOLDS
    thresholds = np.unique(similarities)
    correct = (similarities[:, None] >= thresholds) == mated[:, None]
    best = [thresholds[correct[folds != fold].mean(0).argmax()] for fold in range(FOLDS)]
    return np.array([((similarities >= best[fold]) == mated)[folds == fold].mean() for fold in range(FOLDS)])


def true_accept_rate(similarities: np.ndarray, mated: np.ndarray) -> float:
    """The share of mated pairs above the threshold at a false match rate of FMR."""
    return float((similarities[mated] > np.quantile(similarities[~mated], 1 - FMR, method="higher")).mean())


def embeddings_of(images: Sequence[np.ndarray], embed: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Unit embeddings, computed in batches of one size."""
    padded = [*images, *[images[0]] * (-len(images) % BATCH)]
    batches = [np.stack(padded[start : start + BATCH]) for start in range(0, len(padded), BATCH)]
    embeddings = np.concatenate([np.asarray(embed(batch)) for batch in tqdm(batches, disable=None)])[: len(images)]
    return embeddings / np.linalg.norm(embeddings, axis=-1, keepdims=True)


def row(name: str, similarities: np.ndarray, mated: np.ndarray) -> list[str]:
    """One row of the table."""
    folds = accuracies(similarities, mated)
    rate = true_accept_rate(similarities, mated)
    return [name, f"{100 * folds.mean():.2f} +- {100 * folds.std(ddof=1):.2f}", f"{100 * rate:.2f}"]


@click.command(help=__doc__.split("\n")[0])
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(data: Path, output: Path | None) -> None:
    keep_freed_memory()
    pairs = read_pairs(data / "lfw_dev_pairs.txt", data / "lfw_dev")
    paths = sorted({path for *both, _ in pairs for path in both})
    images = [read_image(path) for path in paths]
    place = {path: index for index, path in enumerate(paths)}
    first, second = (np.array([place[pair[side]] for pair in pairs]) for side in (0, 1))
    mated = np.array([pair[2] for pair in pairs])
    ours = jax.jit(Recognizer.embed)
    rows = []
    for name, weights in WEIGHTS.items():
        source: Source = read(data / "weights" / weights)
        recognizer = convert(source)
        runtime, _ = run_source(source, recognizer, images[0][None])

        def theirs(batch: np.ndarray, source=source, recognizer=recognizer) -> np.ndarray:
            return run_source(source, recognizer, batch)[1].embeddings

        for label, embed in (("pfiq_jax", lambda batch, r=recognizer: ours(r, batch)), (runtime, theirs)):
            units = embeddings_of(images, embed)
            rows.append(row(f"{name}, {label}", np.sum(units[first] * units[second], axis=-1), mated))
    text = (
        f"{mated.sum()} mated and {(~mated).sum()} non-mated pairs of LFW, {len(images)} faces, {FOLDS} folds. "
        "Accuracy: mean and standard deviation over the folds.\n\n"
        + markdown_table(["network", "accuracy, %", f"TAR at FMR {FMR:g}, %"], rows)
        + "\n"
    )
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
