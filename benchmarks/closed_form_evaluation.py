"""Whether SER-FIQ's closed form predicts failures as well as 100 masks: pAUC of both, with five seeds of masks.

python -m benchmarks.closed_form_evaluation ../shared/data/lfw_dev
"""

import functools
from pathlib import Path

import click
import jax
import numpy as np
from tqdm import tqdm

from pfiq_jax import Recognizer, load_recognizer, ser_fiq, ser_fiq_closed_form
from pfiq_jax.cpu_memory import keep_freed_memory
from pfiq_jax.evaluation import evaluate_scores
from pfiq_jax.evaluation.scores.measured_files import measure_files
from pfiq_jax.faces import people_in, read_face
from pfiq_jax.tables import markdown_table

SEEDS = range(1, 6)
CLOSED_FORM = "closed form"


@jax.jit
def embedding_and_scores(recognizer: Recognizer, images: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The embedding, the closed form and the score of 100 masks per seed, from one pass through the trunk."""
    seen = recognizer.forward(images)
    scores = {f"100 masks, seed {seed}": ser_fiq(jax.random.key(seed), recognizer, seen) for seed in SEEDS}
    return seen.embedding, {CLOSED_FORM: ser_fiq_closed_form(recognizer, seen), **scores}


@click.command(help=__doc__.split("\n")[0])
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, output: Path | None) -> None:
    keep_freed_memory()
    recognizer = load_recognizer()
    people = people_in(folder)
    size = recognizer.preprocessing.size
    with tqdm(total=len(people.paths), disable=None) as progress:
        measured = measure_files(
            functools.partial(embedding_and_scores, recognizer),
            people.paths,
            lambda path: [read_face(path, size)],
            advance=progress.update,
        )
    identities = np.array(people.identities)[measured.is_read]
    found = evaluate_scores(measured.embeddings, identities, measured.scores)
    paucs = {name: estimates["pauc"] for name, estimates in found.estimates.items()}
    mean = np.mean([pauc.value for name, pauc in paucs.items() if name != CLOSED_FORM])
    rows = [[name, f"{pauc.value:.4f} [{pauc.low:.3f}, {pauc.high:.3f}]"] for name, pauc in paucs.items()]
    rows.append([f"100 masks, mean of {len(SEEDS)} seeds", f"{mean:.4f}"])
    text = (
        f"{len(identities)} faces of {folder.name}, all pairs, FMR {found.fmr:g}, FNMR {found.start.value:.4f}. In "
        "brackets: 95% intervals over people.\n\n" + markdown_table(["score", "pAUC to 30%"], rows) + "\n"
    )
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
