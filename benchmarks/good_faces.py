"""Whether deficits mean what they say on people that the reference was not fitted to.

    python -m benchmarks.good_faces ../shared/data/lfw_dev [--recognizer FILE] [-o FILE.safetensors] > results/NAME.md

Fits the reference to the faces of 1,400 people, and prints how often the deficits of good faces of all others stay
below some values. Good is the better half by the recogniser's own score. ``-o`` keeps the recogniser: the reference of
the bundled network was fitted so.
"""

import dataclasses
from pathlib import Path

import click
import numpy as np

from pfiq_jax import face_quality, load_recognizer, pixel_quality
from pfiq_jax.cli.inputs import reader_of
from pfiq_jax.evaluation.bootstrap import mean_estimates
from pfiq_jax.faces import people_in, read_faces
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.maps import fit_good_faces
from pfiq_jax.tables import markdown_table

FITTED = 1400
SHARES = (0.5, 0.9, 0.95, 0.99)


@click.command(help=__doc__.split("\n")[0])
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--recognizer", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, recognizer: Path | None, output: Path | None) -> None:
    network = load_recognizer(recognizer)
    people = people_in(folder)
    names = sorted(set(people.identities))
    np.random.default_rng(0).shuffle(names)
    is_fitted = np.isin(people.identities, names[:FITTED])
    paths, images = read_faces(people.paths, reader_of(network))
    assert paths == people.paths
    scores = in_batches(lambda batch: face_quality(network, batch), images)
    rows = np.flatnonzero(is_fitted)
    network = dataclasses.replace(
        network,
        good_faces=fit_good_faces(
            network,
            [paths[row] for row in rows],
            [people.identities[row] for row in rows],
            scores[rows],
            reader_of(network),
            reference=f"Labeled Faces in the Wild, {FITTED} people",
        ),
    )
    if output:
        network.save(output)
    _, first = np.unique(people.identities, return_index=True)
    others = first[~is_fitted[first]]
    good = others[scores[others] >= np.median(scores[others])]
    deficits = in_batches(lambda batch: pixel_quality(network, batch).deficit, images[good])
    below = mean_estimates({share: (deficits <= share).mean((1, 2)) for share in SHARES})
    print(f"{network}\n\nDeficits of {len(good)} good faces, one of each person, of people not fitted to:\n")
    print(markdown_table(["deficit", "share of pixels at or below it"], [[str(s), str(below[s])] for s in SHARES]))


if __name__ == "__main__":
    main()
