"""Exported programs: their differences from the library, and their time compared with PyTorch's ONNX export.

python -m benchmarks.export DATA/lfw_dev -o benchmarks/results/export.md
"""

import functools
import io
import tempfile
import time
from pathlib import Path

import click
import jax
import numpy as np
import onnxruntime
import torch

from benchmarks.torch_sface import TorchSFace
from pfiq_jax import Recognizer, export_program, load_recognizer
from pfiq_jax.faces import expand_paths, read_image
from pfiq_jax.scoring import score_batch
from pfiq_jax.tables import markdown_table

FACES = 64
ROUNDS = 9
BATCHES = (1, 8)


def session_of(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def torch_export(recognizer) -> bytes:
    """The network alone, from pixels to the embedding. It takes pixels in PyTorch's order of axes."""
    images = torch.zeros(2, 3, 112, 112)
    file = io.BytesIO()
    names = {"input_names": ["images"], "dynamic_axes": {"images": {0: "batch"}}}
    torch.onnx.export(TorchSFace(recognizer), (images,), file, dynamo=False, **names)
    return file.getvalue()


def errors(found: dict, wanted: dict) -> list[list[object]]:
    rows = []
    for name in sorted(wanted):
        difference = np.abs(found[name] - wanted[name])
        per_face = difference.reshape(len(difference), -1)
        scale = np.abs(wanted[name]).max()
        greatest = (f"{value / scale:.1e}" for value in (np.median(per_face.max(1)), np.max(per_face)))
        rows.append([name, *greatest, f"{np.mean(per_face > 1e-4 * scale):.2%}"])
    return rows


def milliseconds(calls: dict) -> dict[str, np.ndarray]:
    """Processor times, of all threads, of several calls in alternation."""
    times = {name: [] for name in calls}
    for name in calls:
        calls[name]()
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.process_time()
            call()
            times[name].append(1e3 * (time.process_time() - start))
    return {name: np.array(each) for name, each in times.items()}


@click.command(help=__doc__.split("\n")[0])
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, output: Path | None) -> None:
    recognizer = load_recognizer()
    images = np.stack([read_image(path) for path in expand_paths([folder])[:FACES]])
    sessions, rows = {}, []
    with tempfile.TemporaryDirectory() as temporary:
        for what, maps in (("score", False), ("score with maps", True)):
            path = Path(temporary) / "program.onnx"
            export_program(recognizer, path, maps=maps)
            session = sessions[what] = session_of(path.read_bytes())
            names = [each.name for each in session.get_outputs()]
            found = dict(zip(names, session.run(None, {"images": images}), strict=True))
            wanted = score_batch(recognizer, images, method="relative_norm", maps=maps)._asdict()
            wanted = {name: np.asarray(value) for name, value in wanted.items() if value is not None}
            rows += [[what, *row] for row in errors(found, wanted)]
    one_by_one = [score_batch(recognizer, image[None], method="relative_norm", maps=True) for image in images]
    singles = {name: np.concatenate([getattr(each, name) for each in one_by_one]) for name in wanted}
    rows += [["library, one face at a time", *row] for row in errors(singles, wanted)]
    versions = f"ONNX Runtime {onnxruntime.__version__}, JAX {jax.__version__}, torch {torch.__version__}"
    header = ["program", "output", "greatest on the median face", "greatest", "over 1e-4"]
    text = (
        f"{FACES} faces. {versions}.\n\n"
        "Differences from the library at a batch of 64, relative to the greatest value.\n\n"
        f"{markdown_table(header, rows)}\n\n{times(recognizer, images, sessions)}\n"
    )
    click.echo(text)
    if output:
        output.write_text(text)


def times(recognizer: Recognizer, images: np.ndarray, sessions: dict[str, onnxruntime.InferenceSession]) -> str:
    """The table of times, with a sentence about it."""
    planes = images.transpose(0, 3, 1, 2).astype(np.float32)
    native = session_of(torch_export(recognizer))
    name = native.get_inputs()[0].name
    library = functools.partial(score_batch, recognizer, method="relative_norm", maps=True)
    programs = {
        "torch's export, embedding": lambda number: native.run(None, {name: planes[:number]}),
        "score": lambda number: sessions["score"].run(None, {"images": images[:number]}),
        "score with maps": lambda number: sessions["score with maps"].run(None, {"images": images[:number]}),
        "the library, score with maps": lambda number: jax.block_until_ready(library(images[:number])),
    }
    rows = []
    for number in BATCHES:
        found = milliseconds({what: functools.partial(call, number) for what, call in programs.items()})
        first = found["torch's export, embedding"]
        rows += [
            [str(number), what, f"{np.median(each):.1f}", f"{np.median(each / first):.2f}"]
            for what, each in found.items()
        ]
    table = markdown_table(["faces", "program", "milliseconds", "ratio"], rows)
    return (
        f"Median processor time of {ROUNDS} calls in alternation, of all threads together; ONNX Runtime has one. The "
        "ratio is the median of the ratios."
        f"\n\n{table}"
    )


if __name__ == "__main__":
    main()
