"""Makes the folders that the benchmarks read from Labeled Faces in the Wild, as its source distributes it.

    tar xf lfw.tgz
    python -m benchmarks.prepare_lfw lfw/ pairs.txt DATA

``lfw/`` holds the original photographs of 250x250 pixels, not the funneled ones, in one folder per person.
``pairs.txt`` are the pairs of view 2. The command writes, for half of the people:

- ``DATA/lfw_dev``: the face of each photograph that is nearest to its centre, found by the bundled detector and aligned
  to 112x112 pixels by ArcFace's template, as JPEG of quality 90.
- ``DATA/lfw_dev_pairs.txt``: the pairs with both images in this folder.
- ``DATA/lfw_dev_degraded``: five faces each of 150 people, half of the faces disturbed, and ``manifest.csv``.
- ``DATA/lfw_photos``: the photographs of 200 people, one each.

The half of the people, the 150 people and the kinds of disturbance are those of the tables in ``benchmarks/results``.
The disturbed faces, the severities and the covers are drawn again, so scores on ``lfw_dev_degraded`` differ a little.
"""

import csv
import hashlib
import io
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import numpy as np
from jaxtyping import UInt8
from PIL import Image
from scipy.ndimage import convolve1d, gaussian_filter, rotate
from tqdm import tqdm

from pfiq_jax import load_recognizer
from pfiq_jax.faces import expand_paths, read_image
from pfiq_jax.faces.batches import read_ahead
from pfiq_jax.faces.readers import Detection, reader_of
from pfiq_jax.faces.reading import Face

QUALITY = 90  # of JPEG files
AHEAD = 16  # photographs
PHOTOS = 200
DEGRADED, FACES_EACH = 150, 5

Pixels = UInt8[np.ndarray, "height width 3"]
Disturb = Callable[[np.random.Generator, Pixels, float], np.ndarray]
"""Disturbs a face with a severity between 0 and 1."""


def is_in_half(person: str) -> bool:
    """Whether a person is in the half: the first byte of the name's SHA-256 is even."""
    return hashlib.sha256(person.encode()).digest()[0] % 2 == 0


def save_jpeg(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(np.rint(image), 0, 255).astype(np.uint8)).save(path, "JPEG", quality=QUALITY)


def align_people(photos: Path, folder: Path) -> list[Path]:
    """Writes the aligned faces of the half of the people, and returns the photographs without a face."""
    read = reader_of(load_recognizer(), None, Detection("centre"))
    paths = [path for path in expand_paths([photos]) if is_in_half(path.parent.name)]
    missed = []
    for path, faces in tqdm(read_ahead(paths, read, AHEAD), total=len(paths), unit="photo", disable=None):
        if isinstance(faces[0], Face):
            save_jpeg(faces[0].image, folder / path.parent.name / f"{path.stem}.jpg")
        else:
            missed.append(path)
    return missed


def kept_pairs(table: str, faces: Path) -> str:
    """The pairs of LFW's own table with two existing images, without its first line, which has the numbers of pairs."""

    def exists(name: str, number: str) -> bool:
        return (faces / name / f"{name}_{int(number):04}.jpg").exists()

    rows = [line.split() for line in table.splitlines()]
    kept = [
        row for row in rows if len(row) in (3, 4) and exists(*row[:2]) and exists(row[-2 if row[3:] else 0], row[-1])
    ]
    return "".join("\t".join(row) + "\n" for row in kept)


def motion(pixels: Pixels, length: int, degrees: float) -> np.ndarray:
    """The mean along a line through each pixel."""
    turned = rotate(pixels.astype(np.float32), degrees, reshape=False, order=1, mode="nearest")
    blurred = convolve1d(turned, np.full(length, 1 / length), axis=1, mode="nearest")
    return rotate(blurred, -degrees, reshape=False, order=1, mode="nearest")


def shrunk(pixels: Pixels, side: int) -> np.ndarray:
    small = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(small.resize(pixels.shape[1::-1], Image.Resampling.BICUBIC))


def compressed(pixels: Pixels, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def darkened(generator: np.random.Generator, pixels: Pixels, severity: float) -> np.ndarray:
    """Gamma and gain, and the noise of a dark photograph."""
    dark = 255 * (1 - 0.6 * severity) * (pixels / 255) ** (1.5 + 3 * severity)
    return dark + generator.normal(0, 8 * severity, pixels.shape)


def covered(generator: np.random.Generator, pixels: Pixels, side: int) -> np.ndarray:
    """A square of one colour at a random place."""
    top, left = generator.integers(0, np.array(pixels.shape[:2]) - side + 1)
    result = pixels.copy()
    result[top : top + side, left : left + side] = generator.integers(0, 256, 3)
    return result


DISTURBANCES: Mapping[str, Disturb] = {
    "blur": lambda _, pixels, severity: gaussian_filter(
        pixels.astype(np.float32), (0.8 + 4.3 * severity, 0.8 + 4.3 * severity, 0)
    ),
    "dark": darkened,
    "down": lambda _, pixels, severity: shrunk(pixels, round(56 - 46 * severity)),
    "jpeg": lambda _, pixels, severity: compressed(pixels, round(25 - 22 * severity)),
    "motion": lambda generator, pixels, severity: motion(pixels, round(6 + 23 * severity), generator.uniform(0, 180)),
    "noise": lambda generator, pixels, severity: pixels + generator.normal(0, 11 + 60 * severity, pixels.shape),
    "occ": lambda generator, pixels, severity: covered(generator, pixels, round(21 + 45 * severity)),
}


def write_degraded(faces: Path, folder: Path) -> None:
    """Writes the first faces of some people, half of the faces disturbed, and a table of the disturbances."""
    names = sorted(path.name for path in faces.iterdir())
    enough = [name for name in names if len(list((faces / name).iterdir())) >= FACES_EACH]
    people = random.Random(3).sample(enough, min(DEGRADED, len(enough)))
    generator = np.random.default_rng(0)
    rows = []
    paths = [path for name in sorted(people) for path in sorted((faces / name).iterdir())[:FACES_EACH]]
    disturbed = generator.permutation(len(paths)) < len(paths) // 2
    for path, is_disturbed in zip(paths, disturbed, strict=True):
        kind, severity, image = "clean", 0.0, read_image(path)
        if is_disturbed:
            kind, severity = str(generator.choice(list(DISTURBANCES))), generator.random()
            image = DISTURBANCES[kind](generator, image, severity)
        save_jpeg(image, folder / path.relative_to(faces))
        rows.append((path.relative_to(faces).as_posix(), kind, f"{severity:.3f}"))
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "kind", "severity"), *rows])


def copy_photos(photos: Path, faces: Path, folder: Path) -> None:
    """Copies the photograph of the first face of each of some people, evenly spaced over the sorted names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(path.name for path in faces.iterdir())
    count = min(PHOTOS, len(names))
    for name in [names[index * len(names) // count] for index in range(count)]:
        first = sorted((faces / name).iterdir())[0].name
        shutil.copyfile(photos / name / first, folder / first)


@click.command(help=__doc__.split("\n")[0])
@click.argument("photos", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("pairs", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("data", type=click.Path(path_type=Path))
def main(photos: Path, pairs: Path, data: Path) -> None:
    faces = data / "lfw_dev"
    missed = align_people(photos, faces)
    (data / "lfw_dev_pairs.txt").write_text(kept_pairs(pairs.read_text(), faces))
    write_degraded(faces, data / "lfw_dev_degraded")
    copy_photos(photos, faces, data / "lfw_photos")
    click.echo(f"{len(expand_paths([faces]))} faces of {len(list(faces.iterdir()))} people -> {data}")
    for path in missed:
        click.echo(f"{path}: no face found", err=True)


if __name__ == "__main__":
    main()
