"""Fuse several faces of a person into one template, weighted by quality.

    python examples/template_fusion.py PEOPLE [-o template_fusion.png]

PEOPLE holds a folder of aligned faces for each person; of those with five or more, five are used. A template is a
weighted mean of unit embeddings. A person's faces are split in all ways: two into one template and three into another,
or one into a probe and four into a template.

Measured is the share of mated comparisons below the threshold that one in a thousand non-mated comparisons exceeds
(FNMR at FMR 0.001, lower is better), with 95% intervals over people. The baselines are equal weights, and the
qualities of each person's faces in a random order. The length of the embedding is a weight without any calibration.

Half of the faces are disturbed. For two faces against three, weights by quality lower the FNMR from 0.031 to 0.019, and
so does the length. For one face against four they change nothing, since the single face decides.
"""

import itertools
from functools import partial
from pathlib import Path

import click
import jax
import matplotlib.pyplot as plt
import numpy as np

from pfiq_jax import face_quality, load_recognizer, read_image
from pfiq_jax.evaluation import FMR, bootstrap
from pfiq_jax.faces import people_in
from pfiq_jax.faces.batches import in_batches

FACES = 5
SPLITS = {"two faces against three": 2, "one face against four": 1}


@jax.jit
def embed_and_score(recognizer, images):
    seen = recognizer.forward(images)
    return seen.embedding, face_quality(recognizer, seen)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def similarities(units, weights, size):
    """Cosines (splits, people, people) of templates of some faces (rows) and of all others (columns)."""
    weighted = weights[..., None] * units
    found = []
    for chosen in itertools.combinations(range(FACES), size):
        some = weighted[:, list(chosen)].sum(1)
        found.append(unit(some) @ unit(weighted.sum(1) - some).T)
    return np.stack(found)


def error_rate(similarity):
    """FNMR at FMR as a function of how often each person counts."""
    mated = np.eye(similarity.shape[-1], dtype=bool)
    others = similarity[:, ~mated].ravel()
    order = np.argsort(-others)

    def statistic(counts):
        pairs = np.outer(counts, counts)[~mated]
        above = np.cumsum(np.tile(pairs, len(similarity))[order])
        threshold = others[order[np.searchsorted(above, FMR * above[-1])]]
        return np.average((similarity[:, mated] < threshold).mean(0), weights=counts)

    return statistic


@click.command(help=__doc__.splitlines()[0])
@click.argument("people", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", default="template_fusion.png")
def main(people, output):
    photos = [paths[:FACES] for paths in people_in(people).by_person().values() if len(paths) >= FACES]
    images = np.stack([read_image(path) for paths in photos for path in paths])
    embeddings, quality = in_batches(partial(embed_and_score, load_recognizer()), images)
    embeddings, quality = embeddings.reshape(len(photos), FACES, -1), quality.reshape(len(photos), FACES)
    weightings = {
        "equal": np.ones_like(quality),
        "shuffled quality": np.random.default_rng(0).permuted(quality, axis=1),
        "length": np.linalg.norm(embeddings, axis=-1),
        "quality": quality,
    }

    figure, panels = plt.subplots(1, 2, sharex=True, sharey=True, figsize=(10, 3), layout="constrained")
    print(f"{len(photos)} people with {FACES} faces each; FNMR at FMR {FMR:g}")
    for panel, (title, size) in zip(panels, SPLITS.items(), strict=True):
        rates = [error_rate(similarities(unit(embeddings), weights, size)) for weights in weightings.values()]

        def all_rates(counts, rates=rates):  # of the same resamples, so that their differences have intervals too
            values = np.array([rate(counts) for rate in rates])
            return np.stack([values, values - values[0]])

        value, low, high = bootstrap(all_rates, np.arange(len(photos)), seed=0)
        for row, name in enumerate(weightings):
            rate, change = (f"{value[i, row]:.3f} [{low[i, row]:.3f}, {high[i, row]:.3f}]" for i in (0, 1))
            print(f"{title}, {name:16} {rate}, change from equal {change}")
        ends = np.stack([value[1] - low[1], high[1] - value[1]])
        panel.errorbar(value[1], list(weightings), xerr=ends, fmt="o", color="#0072B2", capsize=3)
        panel.axvline(0, color="0.6", zorder=0)
        panel.set_title(f"{title}; equal weights: {value[0, 0]:.3f}", fontsize="medium")
        panel.set_xlabel("change of the FNMR from equal weights; lower is better")
    panels[0].set(ylabel="weight of a face", ylim=(len(weightings) - 0.5, -0.5))
    figure.savefig(output, dpi=110)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
