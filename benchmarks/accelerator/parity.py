"""Whether the results of the default device in full float32 agree with those of the CPU of the same machine."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.accelerator.precision import Outputs, outputs
from benchmarks.accelerator.report import Report
from benchmarks.accelerator.subjects import disturbed_faces, photographs
from pfiq_jax import Detector, Faces, Recognizer, detect

NOTES = """\
Products in full float32 on both (`jax.default_matmul_precision("highest")`), since each adds in another order. The raw
score and the embedding relative to their own size; "map" and "deficit" as the mean over the pixels of a face, since a
PReLU's slope may differ where its input is nearly 0. The detector's boxes and landmarks in pixels."""
Row = tuple[str, float, float]  # what, largest difference, limit


def report_parity(report: Report, recognizer: Recognizer, detector: Detector, *, count: int) -> bool:
    """Adds a table of differences and their limits, and returns whether all differences are within their limits."""
    faces, photos = disturbed_faces(count), photographs(2)
    with jax.default_matmul_precision("highest"):
        expected, found = (_computed(outputs, device, recognizer, faces) for device in _devices())
        expected_faces, found_faces = (_computed(detect, device, detector, photos) for device in _devices())
    rows = _of_recognizer(found, expected) + _of_detector(found_faces, expected_faces)
    cells = [[what, f"{found:.1e}", f"{limit:.0e}", "yes" if found <= limit else "NO"] for what, found, limit in rows]
    title = (
        f"Parity with the CPU: SFace, {count} faces; YuNet, {int(expected_faces.valid.sum())} faces in 2 photographs"
    )
    report.table(title, ["output", "largest difference", "limit", "agrees"], cells, NOTES)
    return all(found <= limit for _, found, limit in rows)


def _devices() -> tuple[jax.Device, jax.Device]:
    return jax.devices("cpu")[0], jax.devices()[0]


def _computed(function: Callable[..., Any], device: jax.Device, model: Any, images: np.ndarray) -> Any:
    return jax.device_get(jax.jit(function)(*jax.device_put((model, images), device)))


def _of_recognizer(found: Outputs, expected: Outputs) -> list[Row]:
    apart = np.linalg.norm(found.embedding - expected.embedding, axis=-1)
    length = np.linalg.norm(expected.embedding, axis=-1)
    rows = [
        ("embedding", float(np.max(apart / length)), 3e-5),
        ("raw score", float(np.max(np.abs(found.raw - expected.raw) / np.abs(expected.raw))), 3e-5),
        ("quality", _largest(found.scaled, expected.scaled), 3e-5),
        ("`ser_fiq_closed_form`", _largest(found.closed_form, expected.closed_form), 3e-5),
        ("map", _largest_mean(found.map, expected.map), 1e-3),
    ]
    if found.deficit is not None:
        rows.append(("deficit", _largest_mean(found.deficit, expected.deficit), 1e-3))
    return rows


def _of_detector(found: Faces, expected: Faces) -> list[Row]:
    same = np.array_equal(found.valid, expected.valid)
    return [
        ("detector: number of faces", abs(int(found.valid.sum()) - int(expected.valid.sum())), 0),
        *(
            (f"detector: {name}", _largest(left[expected.valid], right[expected.valid]) if same else np.inf, limit)
            for name, left, right, limit in (
                ("boxes", found.boxes, expected.boxes, 0.1),
                ("landmarks", found.landmarks, expected.landmarks, 0.1),
                ("scores", found.scores, expected.scores, 1e-3),
            )
        ),
    ]


def _largest(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(found - expected), initial=0))


def _largest_mean(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.mean(np.abs(found - expected), (1, 2))))
