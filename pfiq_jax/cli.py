"""``pfiq``: how useful faces are for recognition, and which pixels make them so."""

import csv
import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np
from platformdirs import user_cache_path
from tqdm import tqdm

from pfiq_jax import scoring
from pfiq_jax.cpu_memory import keep_freed_memory
from pfiq_jax.errors import PfiqError
from pfiq_jax.plotting import plot_pixel_quality
from pfiq_jax.recognizers import Recognizer, load_recognizer
from pfiq_jax.verbs import Verbs

MEANING = "Quality runs from 0 to 1; higher is more useful for recognition. Compare scores of one recogniser only."
NAMED = 10  # files that a warning names before it only counts
STEM_BYTES = 220  # of an image's name in its outputs', since file systems take no names over 255 bytes

STDOUT = Path("-")
FILE = click.Path(path_type=Path)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="pfiq-jax", prog_name="pfiq")
def main() -> None:
    """How useful face images are for recognition, and which of their pixels make them so."""


def option_recognizer(verb: Any) -> Any:
    """Adds --recognizer to a verb."""
    return click.option(
        "--recognizer",
        "weights",
        type=FILE,
        metavar="FILE.safetensors",
        help="Weights that weights-convert wrote. [default: the bundled SFace network]",
    )(verb)


@main.command()
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@click.option("-o", "--output", type=FILE, metavar="FOLDER|PNG", help="Where to. [default: the current folder]")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Also write the scores as JSON; - for stdout.")
@click.option("--npz", type=FILE, metavar="FOLDER|NPZ", help="Also write image, quality, gradient and map as arrays.")
@click.option("--landmarks", metavar="X1,Y1,...,X5,Y5|CSV", help="Five points to align by; see above.")
@option_recognizer
def explain(
    images: tuple[str, ...],
    output: Path | None,
    json_file: Path | None,
    npz: Path | None,
    landmarks: str | None,
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
    """
    if images:
        paths = scoring.expand_paths(images)
    else:
        paths = [Path(str(resources.files("pfiq_jax") / "bundled/demo_face.png"))]
        click.echo("No image given: explaining the bundled demo face.", err=True)
    pictures = output_paths(paths, output or Path(), ".png")
    archives = output_paths(paths, npz, ".npz") if npz else [None] * len(paths)
    points = landmarks_of(landmarks, paths)
    inputs = [*paths, landmarks, weights]
    check_writable([path for path in (*pictures, *archives, json_file) if path], [path for path in inputs if path])
    recognizer = start(weights)
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
            figure, _ = plot_pixel_quality(
                face.image, result.quality, result.map, title=click.format_filename(path, shorten=True)
            )
            figure.savefig(picture, metadata={"Software": None})  # the same bytes under every matplotlib
            if archive:
                np.savez_compressed(archive, image=face.image, **result._asdict())
            records.append(
                {
                    "path": str(path),
                    "quality": float(result.quality),
                    "raw_quality": float(raw_quality),
                    "mean_pixel_quality": float(result.map.mean()),
                    "picture": str(picture),
                    "recognizer": str(weights or "bundled"),
                }
            )
            click.echo(
                f"{click.format_filename(path)}: quality {result.quality:.3f} of 1, higher is better "
                f"-> {click.format_filename(picture)}",
                err=json_file == STDOUT,
            )
    finally:
        if json_file:
            with click.open_file(json_file, "w", encoding="utf-8") as file:
                file.write(json.dumps(records, indent=2) + "\n")
        summarize(recognizer, len(paths), squeezed, problems)
    if problems:
        raise SystemExit(1)


@main.command()
@click.argument("images", nargs=-1, required=True, metavar="PATH...")
@click.option("-o", "--output", type=FILE, default="-", metavar="CSV", help="Where to. [default: stdout]")
@click.option("--landmarks", type=FILE, metavar="CSV", help="Five points of every image to align by; see above.")
@option_recognizer
def score(images: tuple[str, ...], output: Path, landmarks: Path | None, weights: Path | None) -> None:
    """Score faces: files, folders with all below them, patterns.

    Writes CSV with the columns path, quality, raw_quality, in the order given; what is done stays there if you
    interrupt it. Files that cannot be scored are listed at the end, and make the exit code 1.

    Quality runs from 0 to 1; higher is more useful for recognition. Compare scores of one recogniser only. Raw quality
    is the same before SER-FIQ's scaling.

    Images should be aligned faces of the recogniser's size, 112x112 pixels for most (ArcFace template). Others are
    aligned if you give --landmarks, a CSV file with the columns path,x1,y1,...,x5,y5: the person's right eye (left in
    the image), left eye, nose, right and left corner of the mouth. Without it they are squeezed, with a warning.
    """
    paths = scoring.expand_paths(images)
    points = landmarks_of(landmarks, paths)
    check_writable([output], [path for path in (*paths, landmarks, weights) if path])
    recognizer = start(weights)
    read = reader_of(recognizer, points)

    squeezed, problems = [], []
    with (
        click.open_file(output, "w", encoding="utf-8", errors="surrogateescape") as file,
        tqdm(total=len(paths), unit="face", disable=None) as progress,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("path", "quality", "raw_quality"))
        try:
            for scores in scoring.score_files(recognizer, paths, read):
                table.writerows(
                    (each.path, f"{each.quality:.6g}", f"{each.raw_quality:.6g}") for each in scores if not each.problem
                )
                file.flush()  # an interrupted run keeps what it had
                squeezed += [each.path for each in scores if each.squeezed]
                problems += [each.problem for each in scores if each.problem]
                progress.update(len(scores))
        finally:
            progress.close()
            summarize(recognizer, len(paths), squeezed, problems)
    if problems:
        raise SystemExit(1)


def start(weights: Path | None) -> Recognizer:
    """The recogniser, and the process made ready to run it."""
    keep_freed_memory()
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of odd metadata in images that can be read
    warnings.filterwarnings("ignore", message="Glyph .* missing")  # of file names that matplotlib has no font for
    # A damaged entry costs a compilation, and cannot be mended by JAX: it would be told of in every run.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    cache = user_cache_path("pfiq_jax")
    configured = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if configured is None and is_usable_folder(cache):
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    return load_recognizer(weights)


def reader_of(recognizer: Recognizer, points: dict[str, scoring.Points] | None) -> Callable[[Path], scoring.Face]:
    """Reads faces as the recogniser wants them."""
    wanted = recognizer.preprocessing
    return lambda path: scoring.read_face(path, wanted.size, points, wanted.template)


def is_usable_folder(folder: Path) -> bool:
    """Whether the folder is there, or could be made, and can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


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


def landmarks_of(option: str | Path | None, paths: Sequence[Path]) -> dict[str, scoring.Points] | None:
    """Landmarks by absolute path, from ten numbers for the only image or from a CSV file."""
    if option is None:
        return None
    numbers = str(option).split(",")
    if len(numbers) == 1 or os.path.exists(option):
        return scoring.read_landmarks(Path(option))
    if len(paths) > 1:
        raise click.UsageError(f"--landmarks are of one image, but there are {len(paths)}; give a CSV file.")
    return {os.path.abspath(paths[0]): scoring.parse_landmarks(numbers, "--landmarks")}


def check_writable(outputs: Sequence[Path], inputs: Sequence[str | Path]) -> None:
    """Finds out before the work, rather than after it, that an output cannot be written; changes no file.

    Args:
        outputs: files that will be written; - is stdout.
        inputs: images, landmarks and weights, none of which may be among the outputs.
    """
    read = {os.path.realpath(path) for path in inputs}  # of links too, since writing to one writes to its target
    for path in outputs:
        if path == STDOUT:
            continue
        if os.path.realpath(path) in read:
            raise PfiqError(f"{path}: is an input and would be overwritten; name another output, as with -o.")
        is_new = not path.exists()
        if not (is_new or path.is_file() or path.is_dir()):  # a pipe notices being opened
            continue
        try:
            path.open("ab").close()
        except OSError as error:
            raise PfiqError(f"{path}: cannot be written ({error.strerror}); choose another output.") from error
        if is_new:
            path.unlink()


def summarize(recognizer: Recognizer, count: int, squeezed: Sequence[Path], problems: Sequence[str]) -> None:
    """Says on stderr what the scores mean, which ones to doubt, and which files have none."""
    click.echo(MEANING, err=True)
    if squeezed:
        height, width = recognizer.preprocessing.size
        names = ", ".join(map(click.format_filename, squeezed[:NAMED]))
        more = f" and {len(squeezed) - NAMED} more" if len(squeezed) > NAMED else ""
        click.echo(
            f"Warning: squeezed to {width}x{height} pixels without being aligned, which makes the score doubtful: "
            f"{names}{more}. Give --landmarks to align.",
            err=True,
        )
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    if problems:
        click.echo(f"{len(problems)} of {count} files have no score.", err=True)
