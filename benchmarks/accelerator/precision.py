"""How much embeddings, scores and maps depend on the precision of the network's products."""

from time import perf_counter
from typing import NamedTuple

import click
import jax
import numpy as np
from scipy.stats import spearmanr

import pfiq_jax
from benchmarks.accelerator.report import Report
from benchmarks.accelerator.subjects import disturbed_faces
from pfiq_jax import Recognizer
from pfiq_jax.recognizers import Images
from pfiq_jax.scoring import raw_and_scaled

LONGEST = 60  # seconds for this part, with compilations
NOTES = """\
SFace with the bundled face under {count} disturbances: shifts, blur, shrinking, light, noise. Differences from float32
on the CPU of the same machine, as mean / largest over faces, pairs or pixels. "Cosine of pairs": the similarity of two
of the faces, to which a threshold is applied. "Turned": one minus the cosine between a face's embedding and its
embedding on the CPU. The raw score is that of `face_quality`, here in standard deviations over the faces. The gradient
of `pixel_quality` is compared by the length of the difference, relative to its own."""
DIFFERENCES = ("cosine of pairs", "turned", "raw score", "rank correlation", "quality")
DIFFERENCES += ("`ser_fiq_closed_form`", "gradient", "map", "deficit")


class Outputs(NamedTuple):
    """The results that are compared."""

    embedding: jax.Array
    raw: jax.Array
    scaled: jax.Array
    closed_form: jax.Array
    gradient: jax.Array
    map: jax.Array
    deficit: jax.Array | None


def outputs(recognizer: Recognizer, images: Images) -> Outputs:
    """All results that are compared, from one program."""
    seen = recognizer.forward(images)
    raw, scaled = raw_and_scaled(recognizer, seen, method=pfiq_jax.quality.default_quality_method(recognizer))
    assert scaled is not None  # the default method always has a scale
    closed_form = pfiq_jax.ser_fiq_closed_form(recognizer, seen)
    explained = pfiq_jax.pixel_quality(recognizer, images)
    return Outputs(seen.embedding, raw, scaled, closed_form, explained.gradient, explained.map, explained.deficit)


def report_precision(report: Report, recognizer: Recognizer, *, count: int) -> None:
    """Compares the results of the default device in each precision with those of the CPU in float32."""
    if report.left() < LONGEST:
        raise TimeoutError("no time left")
    images = disturbed_faces(count)
    reference = _computed(recognizer, images, jax.devices("cpu")[0])
    rows = []
    for precision, network in (("float32", recognizer), ("bfloat16 trunk", recognizer.with_precision("bfloat16"))):
        rows.append([precision, *differences(_computed(network, images, jax.devices()[0]), reference)])
    report.table("Effect of precision", ["precision", *DIFFERENCES], rows, NOTES.format(count=count))


def _computed(recognizer: Recognizer, images: np.ndarray, device: jax.Device) -> Outputs:
    start = perf_counter()
    found = jax.device_get(jax.jit(outputs)(*jax.device_put((recognizer, images), device)))
    click.echo(f"outputs on {device}: {perf_counter() - start:.1f} s", err=True)
    return found


def differences(found: Outputs, reference: Outputs) -> list[str]:
    """One cell per column of the table."""
    mine, theirs = (each / np.linalg.norm(each, axis=-1, keepdims=True) for each in (found[0], reference[0]))
    pairs = np.triu_indices(len(mine), 1)
    spread = np.std(reference.raw)
    return [
        _cell((mine @ mine.T - theirs @ theirs.T)[pairs]),
        _cell(1 - np.sum(np.float64(mine) * theirs, -1)),
        _cell((found.raw - reference.raw) / spread),
        f"{spearmanr(found.raw, reference.raw).statistic:.6f}",
        _cell(found.scaled - reference.scaled),
        _cell(found.closed_form - reference.closed_form),
        _cell(_lengths(found.gradient - reference.gradient) / _lengths(reference.gradient)),
        _cell(found.map - reference.map),
        "" if found.deficit is None else _cell(found.deficit - reference.deficit),
    ]


def _lengths(gradients: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.float64(gradients).reshape(len(gradients), -1), axis=1)


def _cell(errors: np.ndarray) -> str:
    errors = np.abs(errors)
    return f"{errors.mean():.1e} / {errors.max():.1e}"
