"""Whether deficits are calibrated on people that the reference of good faces was not fitted to.

    python -m benchmarks.good_faces DATA/lfw_dev [--recognizer FILE] [--keep FILE.safetensors] [-o FILE]

Fits the reference to the faces of 1,400 people. Reports the shares of pixels with deficits up to some values on good
faces of all other people, and the shares of faces with marked regions. Good faces are the better half by the
recogniser's own score. ``--keep`` saves the recogniser. The reference of the bundled network was fitted this way.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import click
import numpy as np

from pfiq_jax import Recognizer, face_quality, load_recognizer, pixel_quality
from pfiq_jax.evaluation.bootstrap import mean_estimates
from pfiq_jax.evaluation.estimate import cell
from pfiq_jax.evaluation.maps.occlusions import occlude
from pfiq_jax.faces import people_in
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.faces.readers import reader_of
from pfiq_jax.faces.reading import read_faces
from pfiq_jax.maps import fit_good_faces
from pfiq_jax.maps.face_regions import MARKED, face_regions
from pfiq_jax.tables import markdown_table

FITTED = 1400
SHARES = (0.5, 0.9, 0.95, 0.99)


def fitted_people(names: Iterable[str]) -> set[str]:
    """The people that the reference is fitted to."""
    ordered = sorted(set(names))
    np.random.default_rng(0).shuffle(ordered)
    return set(ordered[:FITTED])


@click.command(help=__doc__.split("\n")[0])
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--recognizer", type=click.Path(path_type=Path, exists=True))
@click.option("--keep", type=click.Path(path_type=Path), help="File to save the fitted recogniser to.")
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, recognizer: Path | None, keep: Path | None, output: Path | None) -> None:
    network = load_recognizer(recognizer)
    people = people_in(folder)
    is_fitted = np.isin(people.identities, list(fitted_people(people.identities)))
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
    if keep:
        network.save(keep)
    _, first = np.unique(people.identities, return_index=True)
    others = first[~is_fitted[first]]
    good = others[scores[others] >= np.median(scores[others])]
    deficits = in_batches(lambda batch: pixel_quality(network, batch).deficit, images[good])
    below = mean_estimates({share: (deficits <= share).mean((1, 2)) for share in SHARES})
    occluded = occlude(0, images[good])
    marked = marks(network, deficits, in_batches(lambda batch: pixel_quality(network, batch).deficit, occluded.images))
    kinds = np.array(occluded.kinds)
    found = {
        "clean faces, any region": marked[0].any(1),
        "sunglasses, both eyes": marked[1][kinds == "sunglasses"][:, [1, 2]].all(1),
        "scarf, mouth or chin": marked[1][kinds == "scarf"][:, [6, 7]].any(1),
        "hand, any region": marked[1][kinds == "hand"].any(1),
    }
    shares = [[name, cell(mean_estimates({0: hits.astype(float)})[0])] for name, hits in found.items()]
    text = (
        f"{network.network}. Deficits of {len(good)} good faces, one of each person, of people not fitted to:\n\n"
        + markdown_table(["deficit", "share of pixels at or below it"], [[str(s), cell(below[s])] for s in SHARES])
        + f"\n\nRegions of these faces with a median deficit of {MARKED} or more, clean and with drawn occlusions:\n\n"
        + markdown_table(["faces, regions", "share marked"], shares)
        + "\n"
    )
    click.echo(text)
    if output:
        output.write_text(text)


def marks(network: Recognizer, *deficits: np.ndarray) -> list[np.ndarray]:
    """Per group of deficits, whether each region is marked (faces, regions), in the order of ``face_regions``."""
    regions = face_regions(network.preprocessing).values()
    return [np.stack([np.median(each[:, region], 1) >= MARKED for region in regions], 1) for each in deficits]


if __name__ == "__main__":
    main()
