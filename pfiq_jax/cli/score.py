"""``pfiq score``: one number per face, for many faces."""

import hashlib
from pathlib import Path

import click

from pfiq_jax import scoring
from pfiq_jax.bulk import read_inputs, this_process
from pfiq_jax.cli.inputs import landmarks_of, note_left_out
from pfiq_jax.cli.options import (
    FILE,
    check_supported,
    method_list,
    option_detection,
    option_precision,
    option_quality,
    option_recognizer,
)
from pfiq_jax.cli.outcome import outcome
from pfiq_jax.cli.progress import Progress
from pfiq_jax.cli.score_outputs import Run, check_target, opened, target_of
from pfiq_jax.cli.start import start
from pfiq_jax.faces.readers import Detection, reader_of
from pfiq_jax.quality import QUALITY_METHODS, default_quality_method, find_calibration
from pfiq_jax.recognizers import Precision
from pfiq_jax.recognizers.preprocessing import Points
from pfiq_jax.recognizers.provenance import sha256_of
from pfiq_jax.recognizers.weights_file import recognizer_path


@click.command(epilog=method_list("--quality", QUALITY_METHODS))
@click.argument("images", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o",
    "--output",
    default="-",
    metavar="OUTPUT",
    help="A .csv, .jsonl or .parquet file, or a folder for many images; see above. [default: CSV to stdout]",
)
@click.option("--resume", is_flag=True, help="Continue the output file of an interrupted run.")
@click.option("--force", is_flag=True, help="Replace an output that exists.")
@click.option("--maps", is_flag=True, help="Also write maps and deficits, as .npz files in the output folder.")
@option_detection()
@click.option("--landmarks", type=FILE, metavar="CSV", help="Five landmarks per image to align by; see above.")
@option_quality
@option_recognizer
@option_precision
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="Faces in a batch, which all devices share. [default: 4 per CPU, 256 per accelerator]",
)
@click.option("--process-index", type=click.IntRange(0), help="Index of this process, from 0.")
@click.option("--process-count", type=click.IntRange(1), help="Number of processes that share the output folder.")
def score(
    images: tuple[str, ...],
    output: str,
    resume: bool,
    force: bool,
    maps: bool,
    detection: Detection,
    landmarks: Path | None,
    quality: str | None,
    recognizer_file: Path | None,
    precision: Precision,
    batch_size: int | None,
    process_index: int | None,
    process_count: int | None,
) -> None:
    """Score faces: files, folders, patterns, lists, archives, addresses.

    INPUT is an image, a folder (searched recursively), or a pattern; a list with a name per line (.txt, or - for
    stdin); a table with a column path or filename, and optionally landmarks x1,y1,...,x5,y5 or boxes
    left,top,width,height (.csv, .tsv, .parquet); an archive of images (.tar, .array_record); or an address of one of
    these, such as gs://bucket/faces, which needs the package fsspec.

    OUTPUT gets one row per face, in the order of the input: path, quality, raw_quality, status, error, warning. An
    input that cannot be scored gets a row with the reason in the column error. It is listed at the end, and the exit
    code is 1. Rows of .csv and .jsonl are written as they are computed, so an interrupted run keeps its results, and
    --resume continues it.

    For many images, give a folder as OUTPUT: a name without a suffix, or with a / at the end. It gets one Parquet file
    per shard, which is a part of about 2,048 images. Run the same command again to score the missing shards. Several
    processes can share the work: give each --process-index and --process-count. TPU slices and SLURM set both in the
    environment, Kubernetes' indexed jobs only the index. In the end `pfiq merge` writes one file.

    Quality runs from 0 to 1; higher is more useful for recognition. Compare scores of one recogniser only. The column
    raw_quality is the raw score, before the scale that `pfiq calibrate` fitted is applied. If a method has no scale for
    the recogniser, quality stays empty.

    An image of the recogniser's size, 112x112 pixels for most, is assumed to be an aligned face (ArcFace template). In
    other images, faces are detected and aligned. Their rows have more columns: the face's number in the photograph, the
    detector's score from 0 to 1 (higher is more certain), the box, the distance between the eyes, and five landmarks
    x1,y1,...,x5,y5, in pixels of the photograph. The landmarks are the person's right eye (left in the image), left
    eye, nose, right and left corner of the mouth. If you know them, give --landmarks, a CSV file with the columns
    path,x1,y1,...,x5,y5.
    """
    note_left_out(images)
    process = this_process(process_index, process_count)
    target = target_of(output, resume=resume, force=force, maps=maps, process=process)
    inputs = read_inputs(images)
    check_target(target, inputs, [*images, landmarks, recognizer_file, detection.detector_file])
    points = landmarks_of(landmarks, [Path(name) for name in inputs.names()], images) if landmarks else None
    recognizer = start(recognizer_file, precision)
    method = quality or default_quality_method(recognizer)
    check_supported("--quality", method, QUALITY_METHODS, recognizer)
    warn_without_scale(method, has_scale=find_calibration(recognizer, method) is not None)

    read = reader_of(recognizer, points, detection)
    weights = sha256_of(recognizer_path(recognizer_file))
    run = Run(inputs, method, weights, options_of(detection, points, precision, maps=maps), process)
    with outcome(recognizer, total=len(inputs)) as seen, opened(target, run) as written:
        remaining = written.remaining(inputs)
        seen.total = len(remaining)
        batches = scoring.score_files(
            recognizer,
            remaining,
            read,
            method=method,
            maps=maps,
            batch_size=batch_size,
            together=written.together,
            note=seen.note,
            halved=note_halved,
        )
        with Progress(len(remaining)) as progress:
            last = None
            for scores in batches:
                written.write(scores)
                seen.note_qualities(method, [each.quality for each in scores if each.quality is not None])
                for each in scores:
                    progress.update(each.path is not last)
                    last = each.path


def options_of(
    detection: Detection, landmarks: dict[str, Points] | None, precision: Precision, *, maps: bool
) -> dict[str, str]:
    """The settings, other than recogniser and method, that the rows depend on."""
    options = {"detect": detection.detect, "maps": str(maps), "precision": precision}
    if detection.detector_file is not None:
        options["detector"] = sha256_of(detection.detector_file)
    if landmarks is not None:
        options["landmarks"] = hashlib.sha256(repr(sorted(landmarks.items())).encode()).hexdigest()
    return options


def note_halved(size: int) -> None:
    """Notes on stderr that batches were too large for the device."""
    click.echo(f"Note: batches do not fit into the device's memory; continuing with batches of {size} faces.", err=True)


def warn_without_scale(method: str, *, has_scale: bool) -> None:
    """Warns on stderr if a method has no scale, so that there are only raw scores."""
    if not has_scale:
        click.echo(
            f"Warning: {method} has no scale on this recogniser, so the column quality stays empty; fit one with "
            f"`pfiq calibrate --quality {method}`.",
            err=True,
        )
