"""Detection: its time next to OpenCV's with the same weights, and how many turned photographs are righted.

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

from pfiq_jax import Detector, align, detect, find_faces, load_detector
from pfiq_jax.faces import expand_paths, read_image
from pfiq_jax.tables import markdown_table

SIDE = 640
ROUNDS = 40
PIXELS = 3  # within which all landmarks of a turned photograph must lie


def milliseconds(functions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median time of each function, of calls that alternate."""
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
    """Milliseconds for one photograph of 640x640 pixels."""
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
    """The share of photographs whose best face is found in its place after they were turned."""
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
    text += markdown_table(["photographs turned by", "righted"], shares) + "\n"
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
