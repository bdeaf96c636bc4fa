"""Detection: its time compared with OpenCV, with the same weights, and results on turned and on tilted photographs.

python -m benchmarks.detection ../shared/data/lfw_photos ../shared/data/weights/yunet/face_detection_yunet_2023mar_int8bq.onnx
"""  # noqa: E501

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import cv2
import jax
import numpy as np
from PIL import Image

from pfiq_jax import Detector, align, detect, face_quality, find_faces, load_detector, load_recognizer
from pfiq_jax.faces import expand_paths, read_image
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.tables import markdown_table

SIDE = 640
ROUNDS = 40
TILTS = (0, 10, 20, 30, 45)
PIXELS = 3  # largest error of all landmarks of a face that counts as found in a turned photograph


def milliseconds(functions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median time of each function, with alternating calls."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(ROUNDS):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: 1000 * float(np.median(values)) for name, values in times.items()}


def against_opencv(detector: Detector, photo: np.ndarray, model: Path) -> dict[str, float]:
    """Milliseconds per call for one photograph of 640x640 pixels."""
    large = np.asarray(Image.fromarray(photo).resize((SIDE, SIDE)))
    reversed_channels = np.ascontiguousarray(large[..., ::-1])
    opencv = cv2.FaceDetectorYN.create(str(model), "", (SIDE, SIDE), 0.6, 0.3)
    return milliseconds(
        {
            "OpenCV": lambda: opencv.detect(reversed_channels),
            "detect": lambda: jax.block_until_ready(detect(detector, large)),
            "find_faces": lambda: find_faces(detector, [large]),
            "find_faces and align": lambda: jax.block_until_ready(
                align(large, find_faces(detector, [large]).landmarks[0, 0])
            ),
        }
    )


def righted(detector: Detector, photos: Sequence[np.ndarray]) -> dict[str, float]:
    """The share of photographs whose best face is found at the same place after the photograph was turned."""
    upright = find_faces(detector, photos).landmarks[:, 0]
    shares = {}
    for turns in (1, 2, 3):
        found = find_faces(detector, [np.rot90(photo, turns) for photo in photos]).landmarks[:, 0]
        last = np.array([(photo.shape[1] - 1, photo.shape[0] - 1) for photo in photos])[:, None]
        x, y = np.moveaxis(upright, -1, 0)
        right, bottom = np.moveaxis(last, -1, 0)
        places = {1: (y, right - x), 2: (right - x, bottom - y), 3: (bottom - y, x)}[turns]
        shares[f"{90 * turns} degrees"] = float((np.abs(found - np.stack(places, -1)).max((1, 2)) < PIXELS).mean())
    return shares


def tilted(detector: Detector, photos: Sequence[np.ndarray]) -> list[tuple[str, str, str, str]]:
    """Mean quality of the best face of tilted photographs, aligned by two kinds of landmarks.

    Returns:
        Rows of degrees, the median absolute tilt that is left after alignment, the mean quality by the landmarks found
        in the tilted photograph, and the mean quality by the landmarks found in the upright photograph, turned with it.
    """
    recognizer = load_recognizer()
    upright = find_faces(detector, photos).landmarks[:, 0]
    centres = np.array([((photo.shape[1] - 1) / 2, (photo.shape[0] - 1) / 2) for photo in photos])[:, None]
    rows = []
    for degrees in TILTS:
        turned = [np.asarray(Image.fromarray(photo).rotate(degrees, Image.Resampling.BICUBIC)) for photo in photos]
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        true = (upright - centres) @ np.array([[cosine, -sine], [sine, cosine]]) + centres
        faces = find_faces(detector, turned)
        distances = np.linalg.norm(faces.landmarks.mean(2) - true.mean(1)[:, None], axis=-1)
        nearest = np.where(faces.valid, distances, np.inf).argmin(1)
        found = faces.landmarks[np.arange(len(photos)), nearest]
        left = np.abs((angles(found) - angles(true) + 180) % 360 - 180)
        qualities = [
            np.mean([in_batches(lambda faces: face_quality(recognizer, faces), crops(turned, each))])
            for each in (found, true)
        ]
        rows.append((f"{degrees} degrees", f"{np.median(left):.1f} degrees", *(f"{each:.3f}" for each in qualities)))
    return rows


def angles(landmarks: np.ndarray) -> np.ndarray:
    """The angle of the line through the eyes, in degrees."""
    across, down = np.moveaxis(landmarks[:, 1] - landmarks[:, 0], -1, 0)
    return np.degrees(np.arctan2(down, across))


def crops(photos: Sequence[np.ndarray], landmarks: np.ndarray) -> np.ndarray:
    """The aligned faces of photographs, one face per photograph."""
    return np.stack([np.asarray(align(*each)) for each in zip(photos, landmarks, strict=True)])


@click.command(help=__doc__.split("\n")[0])
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, model: Path, output: Path | None) -> None:
    detector = load_detector()
    photos = [read_image(path) for path in expand_paths([folder])]
    times = against_opencv(detector, photos[0], model)
    rows = [(name, f"{each:.1f}", f"{each / times['OpenCV']:.2f}") for name, each in times.items()]
    text = f"{len(photos)} photographs, {jax.devices()[0].device_kind}, {os.cpu_count()} cores.\n\n"
    text += markdown_table([f"one photograph of {SIDE}x{SIDE} pixels", "ms, median", "ratio"], rows) + "\n\n"
    shares = [(name, f"{each:.1%}") for name, each in righted(detector, photos).items()]
    text += (
        markdown_table(["photographs turned by", f"landmarks within {PIXELS} pixels of the upright ones"], shares)
        + "\n\n"
    )
    header = ["photographs tilted by", "tilt after alignment, median", "quality, mean", "by the upright landmarks"]
    text += markdown_table(header, tilted(detector, photos)) + "\n"
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
