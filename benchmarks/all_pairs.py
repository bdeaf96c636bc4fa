"""Time and memory of a comparison of all pairs of random embeddings, and of an evaluation with its intervals.

    python -m benchmarks.all_pairs -o benchmarks/results/all_pairs.md

Memory is the peak of the whole process. Python and JAX account for about 0.25 GB. The time includes compilation.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np

from pfiq_jax.evaluation import compare_all_pairs, evaluate_scores
from pfiq_jax.tables import markdown_table

DIM = 512
SCORES = 5
COMPARED = (4_000, 13_000)
EVALUATED = (750, 7_000)


def people(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and people. Numbers of faces are proportional to one over a person's rank, steeper than in LFW."""
    generator = np.random.default_rng(0)
    share = 1 / np.arange(1, count // 3)
    identities = generator.choice(len(share), count, p=share / share.sum())
    centres = generator.normal(size=(len(share), DIM))
    return (centres[identities] + generator.normal(size=(count, DIM))).astype(np.float32), identities


def run_one(count: int, *, with_scores: bool) -> dict[str, float]:
    embeddings, identities = people(count)
    start = time.perf_counter()
    if with_scores:
        generator = np.random.default_rng(1)
        columns = {f"score {index}": generator.random(count) for index in range(SCORES)}
        comparisons = evaluate_scores(embeddings, identities, columns).comparisons
    else:
        comparisons = compare_all_pairs(embeddings, identities)
    seconds = time.perf_counter() - start
    return {"mated": len(comparisons.mated), "non_mated": comparisons.non_mated_count, "seconds": seconds}


def measure(count: int, *, with_scores: bool) -> list[str]:
    """A row of the table, measured in a new process."""
    command = [sys.executable, "-m", "benchmarks.all_pairs", "--one", str(count)] + ["--with-scores"] * with_scores
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout
    found = json.load(process.stdout)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    what = f"evaluation of {SCORES} scores, 200 resamples" if with_scores else "comparison"
    numbers = (count, found["mated"], found["non_mated"])
    return [
        what,
        *(f"{number:,}" for number in numbers),
        f"{found['seconds']:.1f}",
        f"{usage.ru_maxrss * 1024 / 1e6:.0f}",
    ]


@click.command(help=__doc__.split("\n")[0])
@click.option("-o", "--output", type=click.Path(path_type=Path))
@click.option("--one", type=int, hidden=True)
@click.option("--with-scores", is_flag=True, hidden=True)
def main(output: Path | None, one: int | None, with_scores: bool) -> None:
    if one:
        click.echo(json.dumps(run_one(one, with_scores=with_scores)))
        return
    rows = [measure(count, with_scores=False) for count in COMPARED]
    rows += [measure(count, with_scores=True) for count in EVALUATED]
    table = markdown_table(["what", "images", "mated pairs", "non-mated pairs", "seconds", "peak, MB"], rows)
    text = f"Random embeddings of {DIM} numbers; {os.cpu_count()} CPU cores.\n\n{table}\n"
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
