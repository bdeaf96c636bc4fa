"""``pfiq export``: scores and maps as a file that runs without this library."""

import re
from pathlib import Path
from typing import Literal

import click

from pfiq_jax.cli.options import FILE, method_list, option_quality, option_recognizer
from pfiq_jax.cli.output_files import check_writable
from pfiq_jax.cli.start import start
from pfiq_jax.detection import load_detector
from pfiq_jax.errors import PfiqError
from pfiq_jax.export import export_program
from pfiq_jax.quality import QUALITY_METHODS


@click.command(epilog=method_list("--quality", QUALITY_METHODS))
@click.option("-o", "--output", type=FILE, required=True, metavar="NAME.export|NAME.onnx", help="File to write.")
@option_quality
@click.option("--maps", is_flag=True, help="Also compute the map and the deficit of each face.")
@click.option(
    "--photographs",
    metavar="HEIGHTxWIDTH",
    help="Take photographs of this size in pixels, and score the largest face of each. [default: aligned faces]",
)
@click.option(
    "--detector",
    "detector_file",
    type=FILE,
    metavar="FILE.safetensors",
    help="Weights of a face detector that weights-convert wrote. [default: the bundled YuNet]",
)
@click.option(
    "--parameters",
    type=click.Choice(["inside", "argument"]),
    default="inside",
    show_default=True,
    help="Whether the weights are part of the program, or the program's first argument, so that they can be replaced.",
)
@option_recognizer
def export(
    output: Path,
    quality: str | None,
    maps: bool,
    photographs: str | None,
    detector_file: Path | None,
    parameters: Literal["inside", "argument"],
    recognizer_file: Path | None,
) -> None:
    """Write scores and maps as a program that runs without this library.

    NAME.export needs only JAX, and runs on CPUs, NVIDIA GPUs and TPUs. JAX promises to read it for six months. Write it
    again from the weights before that. NAME.onnx needs only an ONNX runtime.

    The program takes uint8 RGB images (batch, height, width, 3) in batches of any size: aligned faces, or photographs.
    It returns raw_quality, quality if the method has a scale, and with --maps map and deficit.
    """
    size = photograph_size(photographs)
    check_writable([output], [recognizer_file, detector_file])
    recognizer = start(recognizer_file)
    detector = load_detector(detector_file) if detector_file else None
    written = export_program(
        recognizer, output, quality=quality, maps=maps, photographs=size, detector=detector, parameters=parameters
    )
    click.echo(f"{click.format_filename(output)}: {written.metadata['computes']}; {written.metadata['input']}")
    for name, meaning in written.metadata["outputs"].items():
        click.echo(f"  {name}: {meaning}")
    if written.expires:
        click.echo(f"Expires on {written.expires}: later versions of JAX may refuse it.")
    click.echo(f"\n{written.snippet}")


def photograph_size(text: str | None) -> tuple[int, int] | None:
    """Height and width from ``HEIGHTxWIDTH``."""
    if text is None:
        return None
    if not (found := re.fullmatch(r"([1-9]\d{1,4})x([1-9]\d{1,4})", text)):
        raise PfiqError(f"--photographs: is {text!r}; give height and width in pixels, such as 480x640.")
    return int(found[1]), int(found[2])
