"""``pfiq explain``: which pixels make a face useful."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np

from pfiq_jax import scoring
from pfiq_jax.cli.shared import (
    FILE,
    STDOUT,
    check_writable,
    identity,
    landmarks_of,
    option_recognizer,
    reader_of,
    start,
    summarize,
)
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces import expand_paths
from pfiq_jax.maps import ACTIVATION_METHODS
from pfiq_jax.plotting import draw_over, new_figure, plot_pixel_quality
from pfiq_jax.quality import default_quality_method
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.variation import (
    Variation,
    central_face,
    deviation,
    deviation_scores,
    load_variation,
)

STEM_BYTES = 220  # of an image's name in its outputs', since file systems take no names over 255 bytes


@click.command()
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@click.option("-o", "--output", type=FILE, metavar="FOLDER|PNG", help="Where to. [default: the current folder]")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Also write the scores as JSON; - for stdout.")
@click.option("--npz", type=FILE, metavar="FOLDER|NPZ", help="Also write image, quality, gradient and map as arrays.")
@click.option("--landmarks", metavar="X1,Y1,...,X5,Y5|CSV", help="Five points to align by; see above.")
@click.option("--reference", type=FILE, metavar="HIGH.npz", help="Good faces to compare with, from pfiq activations.")
@option_recognizer
def explain(
    images: tuple[str, ...],
    output: Path | None,
    json_file: Path | None,
    npz: Path | None,
    landmarks: str | None,
    reference: Path | None,
    weights: Path | None,
) -> None:
    """Draw which pixels make a face useful for recognition.

    Writes NAME_quality.png for every IMAGE (a file, a folder or a pattern): the face, the quality of its pixels from
    0 (red) to 1 (green, adds much), and both in one. Without IMAGE it explains a bundled demo face.

    Quality runs from 0 to 1; higher is more useful for recognition. Compare scores of one recogniser only.

    Images should be aligned faces of the recogniser's size, 112x112 pixels for most (ArcFace template). Others are
    aligned if you give --landmarks, the person's right eye (left in the image), left eye, nose, right and left corner
    of the mouth: ten numbers for one image, or a CSV file with the columns path,x1,y1,...,x5,y5. Without it they are
    squeezed, with a warning.

    With --reference, also the activation map, where the recogniser looks, and its deviation from what the good faces
    of the reference show, 0 to 1; higher is worse.
    """
    if images:
        paths = expand_paths(images)
    else:
        paths = [Path(str(resources.files("pfiq_jax") / "bundled/demo_face.png"))]
        click.echo("No image given: explaining the bundled demo face.", err=True)
    pictures = output_paths(paths, output or Path(), ".png")
    archives = output_paths(paths, npz, ".npz") if npz else [None] * len(paths)
    points = landmarks_of(landmarks, paths)
    inputs = [*paths, landmarks, reference, weights]
    check_writable([path for path in (*pictures, *archives, json_file) if path], [path for path in inputs if path])
    recognizer = start(weights)
    good = _reference(reference, recognizer) if reference else None
    read = reader_of(recognizer, points)

    records, squeezed, problems = [], [], []
    try:
        for path, picture, archive in zip(paths, pictures, archives, strict=True):
            try:
                face = read(path)
            except PfiqError as error:
                problems.append(str(error))
                continue
            if face.squeezed:
                squeezed.append(path)
            result, raw_quality = jax.device_get(scoring.explain(recognizer, face.image))
            arrays, compared = _compare(good, recognizer, face.image) if good else ({}, {})
            axes = new_figure(15 if good else 10, 3.6).subplots(1, 5 if good else 3)
            figure, _ = plot_pixel_quality(
                face.image, result.quality, result.map, title=click.format_filename(path, shorten=True), axes=axes[:3]
            )
            for each, (name, map) in zip(axes[3:], arrays.items(), strict=True):
                figure.colorbar(draw_over(each, face.image, map), ax=each, shrink=0.6)
                each.set_title(name)
            figure.savefig(picture, metadata={"Software": None})  # the same bytes under every matplotlib
            if archive:
                np.savez_compressed(archive, image=face.image, **result._asdict(), **arrays)
            records.append(
                {
                    "path": str(path),
                    "quality": float(result.quality),
                    "raw_quality": float(raw_quality),
                    "mean_pixel_quality": float(result.map.mean()),
                    "picture": str(picture),
                    "recognizer": str(weights or "bundled"),
                    **compared,
                }
            )
            click.echo(
                f"{click.format_filename(path)}: quality {result.quality:.3f} of 1, higher is better"
                f"{meaning(recognizer, raw_quality)} -> {click.format_filename(picture)}",
                err=json_file == STDOUT,
            )
            if good:
                click.echo(
                    f"  deviation {compared['deviation']:.3f} from {good.count} good faces, whose own standard "
                    f"deviation is {good.std.mean():.3f}; lower is better",
                    err=json_file == STDOUT,
                )
    finally:
        if json_file:
            with click.open_file(json_file, "w", encoding="utf-8") as file:
                file.write(json.dumps(records, indent=2) + "\n")
        summarize(recognizer, len(paths), squeezed, problems)
    if problems:
        raise SystemExit(1)


def meaning(recognizer: Recognizer, raw_quality: np.ndarray) -> str:
    """What the default score means, in words; nothing where the recogniser was not calibrated."""
    calibration = recognizer.calibrations.get(default_quality_method(recognizer))
    if calibration is None:
        return ""
    share = f", better than {calibration.percentile(raw_quality):.0f}% of {calibration.reference}"
    failure = calibration.failure_probability(raw_quality)
    return share if failure is None else f"{share}; {failure:.1%} of comparisons fail"


def _reference(path: Path, recognizer: Recognizer) -> Variation:
    """The statistics of good faces, once it is sure that they are of this recogniser."""
    good = load_variation(path)
    if good.metadata.get("activations") not in ACTIVATION_METHODS:
        raise PfiqError(f"{path}: does not say by which activation map it was made; make it with `pfiq activations`.")
    if (other := good.metadata.get("recognizer")) != identity(recognizer):
        raise PfiqError(f"{path}: was made with another recogniser, {other}; name that one, or make it anew.")
    return good


def _compare(good: Variation, recognizer: Recognizer, image: np.ndarray) -> tuple[dict[str, Any], dict[str, float]]:
    """The activation map of a face and its deviation from good ones; and the deviation as numbers."""
    activation = np.asarray(ACTIVATION_METHODS[good.metadata["activations"]].compute(recognizer, image))
    away = deviation(good, activation)
    whole, outside = deviation_scores(away[None], central_face(recognizer.preprocessing))
    numbers = {"deviation": float(whole[0]), "deviation_outside": float(outside[0])}
    return {"activation": activation, "deviation": away}, numbers


def output_paths(inputs: Sequence[Path], where: Path, suffix: str) -> list[Path]:
    """An output for every input: the file named, or in a folder, with a number where stems are the same."""
    if where.suffix.lower() == suffix:
        if len(inputs) > 1:
            raise click.UsageError(f"{where} is one file, but there are {len(inputs)} images; name a folder.")
        return [where]
    if where == STDOUT:
        raise click.UsageError(f"- is stdout, which takes no {suffix} files; name a folder or a {suffix} file.")
    if where.suffix and not where.is_dir():  # more likely a file of another format than a new folder
        raise click.UsageError(f"{where} is no {suffix} file; name one, or a folder (made first if it has a dot).")
    where.mkdir(parents=True, exist_ok=True)
    seen: Counter[str] = Counter()
    outputs = []
    for path in inputs:
        stem = os.fsdecode(os.fsencode(path.stem)[:STEM_BYTES])
        seen[stem] += 1
        number = f"_{seen[stem]}" if seen[stem] > 1 else ""
        outputs.append(where / f"{stem}_quality{number}{suffix}")
    return outputs
