"""Does SER-FIQ's closed form tell failures as well as 100 masks do? Both by error-versus-discard, five seeds of masks.

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
from pfiq_jax.faces import expand_paths, over_files, read_face

SEEDS = range(1, 6)


@jax.jit
def embedding_and_scores(recognizer: Recognizer, images):
    """One pass through the trunk: the embedding, the closed form, and 100 masks of every seed."""
    known = recognizer.with_features(recognizer.features(images))
    sampled = functools.partial(ser_fiq, scaled=False)
    scores = {f"100 masks, seed {seed}": sampled(jax.random.key(seed), known, images) for seed in SEEDS}
    return known.embed(images), {"closed form": ser_fiq_closed_form(known, images, scaled=False), **scores}


@click.command(help=__doc__.split("\n")[0])
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, output: Path | None) -> None:
    keep_freed_memory()
    recognizer = load_recognizer()
    paths = expand_paths([folder])
    size = recognizer.preprocessing.size
    compute = functools.partial(embedding_and_scores, recognizer)
    files = over_files(compute, paths, lambda path: read_face(path, size), size=size, batch_size=16)
    rows = [row for batch in tqdm(files, total=-(-len(paths) // 16), disable=None) for *_, row in batch]
    embeddings, scores = jax.tree.map(lambda *each: np.stack(each), *rows)
    found = evaluate_scores(embeddings, [path.parent.name for path in paths], scores)
    lines = ["| score | pAUC to 30% |", "|---|---:|"]
    lines += [
        f"| {name} | {each.pauc.value:.4f} [{each.pauc.low:.3f}, {each.pauc.high:.3f}] |"
        for name, each in found.scores.items()
    ]
    mean = np.mean([each.pauc.value for name, each in found.scores.items() if name != "closed form"])
    text = (
        f"{len(paths)} faces of {folder.name}, all pairs, FMR {found.fmr:g}, FNMR {found.start.value:.4f}; in brackets "
        "95% intervals over people.\n\n"
        + "\n".join(lines)
        + f"\n| 100 masks, mean of {len(SEEDS)} seeds | {mean:.4f} |\n"
    )
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
