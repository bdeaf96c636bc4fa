"""How much embeddings, scores and maps depend on the precision of the network's products."""

import hashlib
from typing import NamedTuple

import jax
import numpy as np
from scipy.stats import spearmanr

import pfiq_jax
from benchmarks.accelerator.programs import Program, compile_all
from benchmarks.accelerator.report import Report
from benchmarks.accelerator.subjects import PRECISIONS, disturbed_faces, in_precision
from pfiq_jax import Recognizer
from pfiq_jax.recognizers import Images
from pfiq_jax.scoring import raw_and_scaled

NOTES = """\
The bundled face under {count} disturbances: shifts, blur, shrinking, light, noise. Differences from "float32, highest",
as mean / largest over faces, pairs or pixels. "Cosine of pairs": the similarity of two of the faces, to which a
threshold is applied. "Turned": one minus the cosine between a face's embedding and its embedding in full precision. The
raw score is that of `face_quality`, here in standard deviations over the faces. The gradient of `pixel_quality` is
compared by the length of the difference, relative to its own. The IResNet has random weights and no calibration: its
scaled quality and its map are near 0."""


class Outputs(NamedTuple):
    """What is compared."""

    embedding: jax.Array
    raw: jax.Array
    scaled: jax.Array
    closed_form: jax.Array
    gradient: jax.Array
    map: jax.Array


def outputs(recognizer: Recognizer, images: Images) -> Outputs:
    """Everything that is compared, from one program."""
    seen = recognizer.forward(images)
    raw, scaled = raw_and_scaled(recognizer, seen, method=pfiq_jax.quality.default_quality_method(recognizer))
    assert scaled is not None  # the default method always has a scale
    closed_form = pfiq_jax.ser_fiq_closed_form(recognizer, seen)
    explained = pfiq_jax.pixel_quality(recognizer, images)
    return Outputs(seen.embedding, raw, scaled, closed_form, explained.gradient, explained.map)


def report_precision(report: Report, recognizers: dict[str, Recognizer], *, count: int, seconds: float) -> None:
    """Reports each precision against the highest, and digests that two runs can be compared by."""
    images = jax.device_put(disturbed_faces(count))
    programs = [
        Program((network, name), count, outputs, (in_precision(recognizer, name), images), precision)
        for network, recognizer in recognizers.items()
        for name, precision in PRECISIONS.items()
    ]
    found = {}
    for program, compilation in zip(programs, compile_all(programs, seconds), strict=True):
        executable, _ = compilation.result(timeout=0)
        found[program.labels] = Outputs(*map(np.asarray, executable(*program.arguments)))
    highest = next(iter(PRECISIONS))
    rows = [
        (network, name, *differences(each, found[network, highest]))
        for (network, name), each in found.items()
        if name != highest
    ]
    digests = [
        (*labels, *(hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:8] for array in each))
        for labels, each in found.items()
    ]
    header = ["network", "precision", "cosine of pairs", "turned", "raw score", "rank correlation", "quality"]
    header += ["`ser_fiq_closed_form`", "gradient", "map"]
    report.table("Effect of precision", header, rows, NOTES.format(count=count))
    report.table(
        "Digests of the outputs",
        ["network", "precision", *Outputs._fields],
        digests,
        "Two runs of the same program on the same device give the same digests if they give the same bytes.",
    )


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
    ]


def _lengths(gradients: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.float64(gradients).reshape(len(gradients), -1), axis=1)


def _cell(errors: np.ndarray) -> str:
    errors = np.abs(errors)
    return f"{errors.mean():.1e} / {errors.max():.1e}"
