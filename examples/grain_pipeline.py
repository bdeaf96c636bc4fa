"""Augment faces in a Grain pipeline, as strongly as each can bear by its quality.

    python examples/grain_pipeline.py [FACES] [-o grain_pipeline.png]

FACES is a folder of aligned faces; by default that of the bundled face. Each face is darkened, blurred, shrunk, covered
or made noisy, at four strengths. The last step of the pipeline computes the qualities of a batch, and passes on the
strongest version before the quality falls below 0.3.

Measured is the share of augmented faces that still match their original: their cosine exceeds the network's threshold
at a false match rate of 0.001. The baselines are a random strength, and the chosen strengths in a random order: as many
of each strength, but not by the face. By quality 100% match, in a random order 95%, at random strengths 63%.
"""

import itertools
from functools import partial
from pathlib import Path

import click
import grain
import jax
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter1d

from pfiq_jax import face_quality, find_calibration, load_recognizer, read_image
from pfiq_jax.faces import DEMO_FACE, expand_paths
from pfiq_jax.vectors import normalize

LEAST_QUALITY = 0.3
BATCH, BATCHES = 8, 16
KINDS = ("dark", "motion", "shrunk", "noise", "cover")
STRENGTHS = np.array([0.25, 0.5, 0.75, 1.0])


def spoil(face, kind, strength, generator):
    """A face (112, 112, 3), uint8, under an augmentation with a strength from 0 to 1."""
    x = face.astype(np.float32)
    if kind == "dark":
        x = x * 2.0 ** (-5 * strength)
    elif kind == "motion":
        x = uniform_filter1d(x, round(1 + 28 * strength), axis=1)
    elif kind == "shrunk":
        small = Image.fromarray(face).resize((round(112 / (1 + 9 * strength)),) * 2, Image.Resampling.BOX)
        x = np.asarray(small.resize((112, 112), Image.Resampling.BICUBIC))
    elif kind == "noise":
        x = x + 100 * strength * generator.standard_normal(x.shape)
    else:
        side = round(80 * strength)
        top, left = generator.integers(0, 112 - side, 2)
        x[top : top + side, left : left + side] = 128
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def versions_of(face, generator):
    """The original and four strengths of one kind. Grain's generator depends on its seed and the index alone."""
    kind, seed = generator.integers(len(KINDS)), generator.integers(2**31)
    versions = [spoil(face, KINDS[kind], strength, np.random.default_rng(seed)) for strength in STRENGTHS]
    return {"kind": kind, "images": np.stack([face, *versions])}


@jax.jit
def embed_and_score(recognizer, images):
    seen = recognizer.forward(images)
    return normalize(seen.embedding), face_quality(recognizer, seen)


def choose(recognizer, batch):
    """The step that depends on the recogniser: adds the version that is passed on, from 1 to 4."""
    images = batch["images"]
    units, quality = embed_and_score(recognizer, images.reshape(-1, *images.shape[2:]))
    units, quality = (np.asarray(found).reshape(*images.shape[:2], -1) for found in (units, quality))
    bearable = np.logical_and.accumulate(quality[:, 1:, 0] >= LEAST_QUALITY, axis=1).sum(1)
    cosine = np.einsum("nd,nvd->nv", units[:, 0], units)  # measured below; the choice does not depend on it
    return {**batch, "chosen": np.maximum(bearable, 1), "quality": quality[..., 0], "cosine": cosine}


@click.command(help=__doc__.splitlines()[0])
@click.argument("faces", type=click.Path(exists=True), default=DEMO_FACE)
@click.option("-o", "--output", default="grain_pipeline.png")
def main(faces, output):
    recognizer = load_recognizer()
    files = grain.MapDataset.source(expand_paths([Path(faces)])).seed(0).shuffle().repeat()
    versions = files.map(read_image).random_map(versions_of).to_iter_dataset()
    batches = list(itertools.islice(versions.batch(BATCH).map(partial(choose, recognizer)), BATCHES))
    data = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}

    chosen, rows = data["chosen"], np.arange(len(data["chosen"]))
    matches = data["cosine"] >= find_calibration(recognizer, "relative_norm").threshold
    generator = np.random.default_rng(0)
    choices = {
        "by quality": chosen,
        "same, shuffled": generator.permutation(chosen),
        "random": generator.integers(1, 1 + len(STRENGTHS), len(chosen)),
    }
    figure = plt.figure(figsize=(10, 6.5), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(4, 3))
    axes = right.subplots()
    for name, choice in choices.items():
        strength, share = STRENGTHS[choice - 1].mean(), matches[rows, choice].mean()
        print(f"{name}: mean strength {strength:.2f}, {share:.0%} of {len(rows)} augmented faces match their original")
        axes.barh(f"{name},\nmean strength {strength:.2f}", 100 * share, color="#0072B2")
    axes.set(xlabel="match their original, %", xlim=(0, 100))
    axes.invert_yaxis()
    for panels, kind in zip(left.subplots(len(KINDS), len(STRENGTHS)), range(len(KINDS)), strict=True):
        example = np.flatnonzero(data["kind"] == kind)[0]
        panels[0].set_ylabel(KINDS[kind])
        for version, panel in enumerate(panels, 1):
            panel.imshow(data["images"][example, version])
            weight = "bold" if version == chosen[example] else "normal"
            panel.set_xlabel(f"{data['quality'][example, version]:.2f}", weight=weight)
            panel.set(xticks=[], yticks=[])
    left.suptitle("one face of each kind with its qualities; bold: passed on", fontsize="medium")
    figure.savefig(output, dpi=110)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
