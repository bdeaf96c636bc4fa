"""``pfiq explain``: which pixels make a face useful."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import jax
import numpy as np
from jaxtyping import Float, UInt8

from pfiq_jax import scoring
from pfiq_jax.cli.inputs import landmarks_of, note_left_out
from pfiq_jax.cli.options import FILE, option_detection, option_recognizer
from pfiq_jax.cli.outcome import Outcome, counted, outcome
from pfiq_jax.cli.output_files import STDOUT, check_writable, output_paths
from pfiq_jax.cli.report_files import save_picture
from pfiq_jax.cli.start import start
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces import DEMO_FACE, Face, expand_paths, faces_or_error, read_image
from pfiq_jax.faces.photographs import place_of
from pfiq_jax.faces.readers import Detection, reader_of
from pfiq_jax.faces.reading import Found
from pfiq_jax.maps import PixelQuality
from pfiq_jax.maps.face_regions import MarkedRegions, face_regions, mark_regions
from pfiq_jax.outputs import write_atomically, write_text
from pfiq_jax.plot_style import DEFICIT_COLOURS, MAP_COLOURS, PUBLISHED_COLOURS, colour_bar, new_figure
from pfiq_jax.plotting import draw_over, plot_boxes, plot_deficit, plot_pixel_quality, write_in
from pfiq_jax.quality import default_quality_method, find_calibration
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.variation import Variation
from pfiq_jax.variation.reference import Compared, compare, load_reference


class Explanation(NamedTuple):
    """All results for one face.

    Attributes:
        path: of the face.
        image: RGB.
        pixels: the quality, and which pixels influence it.
        raw_quality: the quality before scaling.
        marked: which regions lack contribution, if the recogniser was calibrated for deficits.
        compared: the comparison with good faces, if there is a reference.
        found: where the face lies in a photograph, if a detector found it.
    """

    path: Path
    image: UInt8[np.ndarray, "height width 3"]
    pixels: PixelQuality
    raw_quality: Float[np.ndarray, ""]
    marked: MarkedRegions | None
    compared: Compared | None
    found: Found | None


@click.command()
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@click.option(
    "-o", "--output", type=FILE, metavar="FOLDER|PNG", help="Folder or file to write. [default: the current folder]"
)
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Also write scores and regions; - for stdout.")
@click.option("--npz", type=FILE, metavar="FOLDER|NPZ", help="Also write image, quality, gradient, map and deficit.")
@option_detection()
@click.option("--landmarks", metavar="X1,Y1,...,X5,Y5|CSV", help="Five landmarks per image to align by; see above.")
@click.option(
    "--reference",
    type=FILE,
    metavar="HIGH.npz",
    help="Statistics of good faces to compare with: high.npz of `pfiq activations`.",
)
@click.option(
    "--colours",
    type=click.Choice([MAP_COLOURS, PUBLISHED_COLOURS]),
    default=MAP_COLOURS,
    show_default=True,
    help="Colours of the map. RdYlGn, red to green, are those of the PLQ paper.",
)
@option_recognizer
def explain(
    images: tuple[str, ...],
    output: Path | None,
    json_file: Path | None,
    npz: Path | None,
    detection: Detection,
    landmarks: str | None,
    reference: Path | None,
    colours: str,
    recognizer_file: Path | None,
) -> None:
    """Draw which pixels make a face useful for recognition, and which of its parts contribute unusually little.

    Writes NAME_quality.png for every IMAGE (a file, a folder or a pattern). Without IMAGE it explains a bundled demo
    face. The first row of the picture shows the face, its map from 0 to 1 (how much each pixel contributes to
    recognition), and the map drawn over the face. The second row shows the deficit of each pixel: the share of good
    faces that lack less there. This row names and outlines the parts that contribute unusually little; left and right
    are the person's. Deficits need a recogniser that was calibrated for them. Quality runs from 0 to 1; higher is more
    useful for recognition. Compare scores of one recogniser only.

    An image of the recogniser's size, 112x112 pixels for most, is assumed to be an aligned face (ArcFace template). In
    other images, faces are detected and aligned. If there are several, NAME_quality.png shows where they are, with
    their qualities. NAME_quality_face1.png and so on explain them, in the order of the detector's score, highest first.
    If you know the landmarks, give --landmarks: ten numbers for one image, or a CSV file with the columns
    path,x1,y1,...,x5,y5. The landmarks are the person's right eye (left in the image), left eye, nose, right and left
    corner of the mouth.

    With --reference, the picture also shows the activation map (where the recogniser looks) and its deviation from the
    mean map of good faces, 0 to 1; higher is worse.
    """
    note_left_out(images)
    paths = expand_paths(images)
    if not paths:
        click.echo("No image given: explaining the bundled demo face.", err=True)
        paths = [DEMO_FACE]
    pictures = output_paths(paths, output or Path(), ".png")
    archives = output_paths(paths, npz, ".npz") if npz else [None] * len(paths)
    points = landmarks_of(landmarks, paths, images)
    inputs = [*paths, landmarks, reference, recognizer_file, detection.detector_file]
    check_writable([path for path in (*pictures, *archives, json_file) if path], inputs)
    new_figure(1, 1)  # fails before the work if matplotlib is not installed
    recognizer = start(recognizer_file)
    good = load_reference(reference, recognizer) if reference else None
    read = reader_of(recognizer, points, detection)
    scale = scale_of(recognizer)
    records: list[dict[str, Any]] = []
    with outcome(recognizer, total=len(paths)) as seen:
        try:
            for path, picture, archive in zip(paths, pictures, archives, strict=True):
                explained, faces = [], faces_or_error(path, read)
                for each in explain_faces(path, faces, seen, good):
                    explained.append(each)
                    drawn = file_of(each, picture, len(faces))
                    save_picture(draw(each, colours), drawn)
                    if archive:
                        save_arrays(each, file_of(each, archive, len(faces)))
                    names = {"scale": scale, "picture": str(drawn), "recognizer": str(recognizer_file or "bundled")}
                    records.append(numbers(each) | names)
                    click.echo(lines_about(recognizer, each, drawn, good), err=json_file == STDOUT)
                if len(faces) > 1:
                    save_group(path, explained, picture, seen, err=json_file == STDOUT)
        finally:
            write_json(records, json_file)


def file_of(explanation: Explanation, file: Path, faces: int) -> Path:
    """The output file of a face: that of its photograph, with a number if there are several faces."""
    found = explanation.found
    return file.with_stem(f"{file.stem}_face{found.number}") if faces > 1 and found else file


def explain_faces(
    path: Path, faces: Sequence[Face | PfiqError], seen: Outcome, good: Variation | None
) -> Iterator[Explanation]:
    """Explains the faces in a file, one by one, and records the result of each."""
    for face in faces:
        seen.note(path, face)
        if isinstance(face, Face):
            each = explain_face(seen.recognizer, path, face, good)
            seen.note_qualities(default_quality_method(seen.recognizer), [float(each.pixels.quality)])
            seen.note_deficits(each.pixels.deficit)
            yield each


def explain_face(recognizer: Recognizer, path: Path, face: Face, good: Variation | None) -> Explanation:
    """Explains one face, and compares it with good ones if there are any."""
    pixels, raw_quality = jax.device_get(scoring.pixel_and_raw_quality(recognizer, face.image))
    regions = face_regions(recognizer.preprocessing)
    marked = None if pixels.deficit is None else mark_regions(pixels.deficit, regions)
    compared = None if good is None else compare(good, recognizer, face.image)
    return Explanation(path, face.image, pixels, raw_quality, marked, compared, face.found)


def scale_of(recognizer: Recognizer) -> str | None:
    """The faces, in words, that the scale of the default score was fitted to; None if it has no scale."""
    calibration = find_calibration(recognizer, default_quality_method(recognizer))
    return calibration.reference if calibration else None


def save_group(path: Path, explained: Sequence[Explanation], picture: Path, seen: Outcome, *, err: bool) -> None:
    """Draws a frame around each explained face, with its number and quality, and prints the name of the picture."""
    try:
        photo = read_image(path)
    except PfiqError as error:  # it has changed since its faces were read
        seen.note(path, error)
        return
    boxes = {
        f"{each.found.number}: {each.pixels.quality:.2f}": each.found.box
        for each in explained
        if each.found is not None
    }
    title = f"{click.format_filename(path, shorten=True)}\nnumber: quality, 0 to 1; higher is better"
    save_picture(plot_boxes(photo, boxes, title=title), picture)
    faces, where = counted(len(boxes), "face"), click.format_filename(picture)
    click.echo(f"{click.format_filename(path)}: {faces} -> {where}", err=err)


def draw(explanation: Explanation, colours: str) -> Any:
    """The picture: a row of panels for the map, one for the deficit, and one for the comparison with good faces."""
    _, image, pixels, _, marked, compared, _ = explanation
    rows = 1 + (marked is not None) + (compared is not None)
    axes = list(new_figure(10, 3.6 * rows).subplots(rows, 3, squeeze=False))
    title = name_of(explanation, shorten=True)
    figure, _ = plot_pixel_quality(image, pixels.quality, pixels.map, title=title, colours=colours, axes=axes.pop(0))
    if marked is not None and pixels.deficit is not None:
        plot_deficit(image, pixels.deficit, marked.area, marked.sentences(), axes=axes.pop(0))
    if compared is not None:
        text, activation, deviation = axes.pop(0)
        write_in(text, [f"Deviation {compared.whole:.3f} from good faces; lower is better."])
        drawn = draw_over(activation, image, compared.activation)
        colour_bar(drawn, activation, "higher is more active", location="left")
        drawn = draw_over(deviation, image, compared.deviation, colours=DEFICIT_COLOURS)
        colour_bar(drawn, deviation, "higher is further from good faces")
        activation.set_title("activation")
        deviation.set_title("deviation")
    return figure


def save_arrays(explanation: Explanation, archive: Path) -> None:
    """Writes image, quality, gradient, map, deficit, and the arrays of the comparison, as ``.npz``."""
    arrays = {"image": explanation.image, **explanation.pixels._asdict()}
    if explanation.compared is not None:
        arrays |= {"activation": explanation.compared.activation, "deviation": explanation.compared.deviation}
    there = {name: array for name, array in arrays.items() if array is not None}
    write_atomically(archive, lambda path: np.savez_compressed(path, **there))


def numbers(explanation: Explanation) -> dict[str, Any]:
    """The path and the numbers of a face, for JSON."""
    pixels = explanation.pixels
    record: dict[str, Any] = {
        "path": str(explanation.path),
        "quality": float(pixels.quality),
        "raw_quality": float(explanation.raw_quality),
        "mean_pixel_quality": float(pixels.map.mean()),
    }
    if explanation.marked is not None and pixels.deficit is not None:
        regions = [each._asdict() for each in explanation.marked.regions]
        record |= {"mean_deficit": float(pixels.deficit.mean()), "regions": regions}
    if explanation.found is not None:
        record |= place_of(explanation.found)
    if explanation.compared is not None:
        record |= {"deviation": explanation.compared.whole, "deviation_outside": explanation.compared.outside}
    return record


def write_json(records: list[dict[str, Any]], json_file: Path | None) -> None:
    """Writes the records of all faces; - is stdout."""
    text = json.dumps(records, indent=2) + "\n"
    if json_file == STDOUT:
        click.echo(text, nl=False)
    elif json_file is not None:
        write_text(json_file, text)


def lines_about(recognizer: Recognizer, explanation: Explanation, picture: Path, good: Variation | None) -> str:
    """What is printed about a face: its quality and its meaning, the picture's name, and the regions it lacks."""
    quality = f"{name_of(explanation)}: quality {explanation.pixels.quality:.3f} of 1, higher is better"
    lines = [f"{quality}{meaning(recognizer, explanation.raw_quality)} -> {click.format_filename(picture)}"]
    if explanation.marked is not None:
        lines += [f"  {sentence}" for sentence in explanation.marked.sentences()]
    if good is not None and explanation.compared is not None:
        lines.append(
            f"  deviation {explanation.compared.whole:.3f} from {good.count} good faces, whose own standard deviation "
            f"is {good.std.mean():.3f}; lower is better"
        )
    return "\n".join(lines)


def name_of(explanation: Explanation, *, shorten: bool = False) -> str:
    """The file of a face, and its number if a detector found it."""
    name = click.format_filename(explanation.path, shorten=shorten)
    return name if explanation.found is None else f"{name}, face {explanation.found.number}"


def meaning(recognizer: Recognizer, raw_quality: Float[np.ndarray, ""]) -> str:
    """What the default score means, in words; empty if the recogniser was not calibrated."""
    calibration = recognizer.calibrations.get(default_quality_method(recognizer))
    if calibration is None:
        return ""
    share = f"; above {calibration.percentile(raw_quality):.0f}% of the reference faces ({calibration.reference})"
    failure = calibration.failure_probability(raw_quality)
    return share if failure is None else f"{share}; {failure:.1%} of mated pairs whose worse face it is fail to match"
