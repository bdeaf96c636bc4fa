"""Pick the best frames of a burst of photographs.

    python examples/best_frames.py [-o best_frames.png]

The burst is simulated from the bundled face. It moves over a grey photograph and turns, and exposure, motion blur and
noise change from frame to frame. The detector finds the face in each frame, its landmarks align it, and its quality is
computed.

Measured is the cosine of each frame to the unspoiled face, which the quality does not depend on: its rank correlation
with the quality, and its mean over the five best frames. The baselines are all frames, which a random choice gets on
average; the sharpest frames (variance of the Laplacian); and those with the best scores of the detector.

The rank correlation is 0.96 for quality, 0.87 for the detector and 0.21 for sharpness. The best five frames have a mean
cosine of 0.81, 0.80 and 0.72, all frames 0.52.
"""

import click
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from scipy.ndimage import convolve1d, laplace
from scipy.stats import spearmanr

from pfiq_jax import align, demo_face, face_quality, find_faces, load_detector, load_recognizer
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.vectors import normalize

FRAMES, BEST, SIDE = 32, 5, 240
GREY = (128, 128, 128)


def burst(face):
    """Frames (FRAMES, SIDE, SIDE, 3) uint8."""
    generator = np.random.default_rng(0)
    middle = (SIDE - len(face)) // 2
    still = Image.new("RGB", (SIDE, SIDE), GREY)
    still.paste(Image.fromarray(face), (middle, middle))
    for _ in range(FRAMES):
        shift, turn = generator.uniform(-25, 25, 2), generator.uniform(-12, 12)
        moved = still.rotate(turn, Image.Resampling.BICUBIC, translate=tuple(shift.astype(int)), fillcolor=GREY)
        light = np.asarray(moved, np.float32) * 2.0 ** generator.uniform(-3, 0.5)
        length = generator.integers(1, 14)  # of the motion, in pixels
        blurred = convolve1d(light, np.full(length, 1 / length), axis=generator.integers(2))
        noisy = blurred + generator.uniform(0, 15) * generator.standard_normal(blurred.shape)
        yield np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


@click.command(help=__doc__.splitlines()[0])
@click.option("-o", "--output", default="best_frames.png")
def main(output):
    recognizer = load_recognizer()
    face = demo_face()
    frames = np.stack(list(burst(face)))
    found = find_faces(load_detector(), list(frames))
    seen = found.valid[:, 0]  # the first face of each frame has the best score
    crops = np.asarray(align(frames[seen], found.landmarks[seen, 0]))

    forward = in_batches(recognizer.forward, crops)
    quality = np.asarray(face_quality(recognizer, forward))
    cosine = np.asarray(normalize(forward.embedding) @ normalize(recognizer.embed(face)))
    sharpness = laplace(crops.mean(-1), axes=(1, 2)).var((1, 2))

    print(f"a face is found in {seen.sum()} of {FRAMES} frames; mean cosine of all: {cosine.mean():.2f}")
    best = {}
    for name, score in {"quality": quality, "sharpness": sharpness, "detector": found.scores[seen, 0]}.items():
        best[name] = np.argsort(-score)[:BEST]
        rank, mean = spearmanr(score, cosine).statistic, cosine[best[name]].mean()
        print(f"by {name}: rank correlation with the cosine {rank:.2f}, mean cosine of the best {BEST} {mean:.2f}")

    figure = plt.figure(figsize=(12, 6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(2, 3))
    axes = left.subplots()
    axes.scatter(quality, cosine, 25, "0.6", label="all frames")
    for name, marker, colour in (("quality", "o", "#0072B2"), ("sharpness", "D", "#D55E00")):
        x, y = quality[best[name]], cosine[best[name]]
        axes.scatter(x, y, 90, marker=marker, facecolors="none", edgecolors=colour, label=f"best {BEST} by {name}")
    axes.set(xlabel="quality", ylabel="cosine to the unspoiled face")
    left.legend(loc="outside upper center", ncols=3, frameon=False, fontsize="small", columnspacing=1)
    rows = {f"best by {name}": order for name, order in best.items()} | {"worst by quality": np.argsort(quality)[:BEST]}
    for panels, (name, order) in zip(right.subplots(len(rows), BEST), rows.items(), strict=True):
        panels[0].set_ylabel(name)
        for panel, index in zip(panels, order, strict=True):
            panel.imshow(np.clip(crops[index], 0, 255).astype(np.uint8))
            panel.set(xticks=[], yticks=[], xlabel=f"{quality[index]:.2f}, {cosine[index]:.2f}")
    right.suptitle("Below each face: its quality, and its cosine to the unspoiled face", fontsize="medium")
    figure.savefig(output, dpi=110)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
