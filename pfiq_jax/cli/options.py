"""Options that mean the same in every subcommand, and the list of methods that their help ends with."""

import functools
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import click

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.readers import Detect, Detection
from pfiq_jax.methods import Method
from pfiq_jax.quality import QUALITY_METHODS
from pfiq_jax.recognizers import Precision, Recognizer

FILE = click.Path(path_type=Path)
WIDTH = 78  # of a terminal of 80 columns

option_recognizer: Callable[[Any], Any] = click.option(
    "--recognizer",
    "recognizer_file",
    type=FILE,
    metavar="FILE.safetensors",
    help="Weights that weights-convert wrote. [default: the bundled SFace network]",
)

option_quality: Callable[[Any], Any] = click.option(
    "--quality",
    type=click.Choice(list(QUALITY_METHODS)),
    metavar="METHOD",
    help="Quality method; see below. [default: relative_norm, or ser_fiq_closed_form if the recogniser has no scale "
    "for it]",
)

option_precision: Callable[[Any], Any] = click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    default="float32",
    show_default=True,
    help="Precision of the network's trunk. bfloat16 is faster on GPUs and TPUs, and changes quality by about 0.002.",
)


def option_detection(*, one_each: bool = False) -> Callable[[Any], Any]:
    """Adds --detect and --detector to a command, which gets both as the argument ``detection``, a ``Detection``."""
    choices = [each for each in get_args(Detect) if not (one_each and each == "all")]
    every, default = ("", "the largest") if one_each else ("all, ", "all")

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--detect",
            type=click.Choice(choices),
            default="auto",
            show_default=True,
            help=f"Which faces of a photograph to use: {every}the largest, or the one nearest to the centre. auto: "
            f"{default}, and an image of the recogniser's size is assumed to be an aligned face. none: all images are "
            "assumed to be aligned faces, and images of other sizes are resized without alignment.",
        )
        @click.option(
            "--detector",
            type=FILE,
            metavar="FILE.safetensors",
            help="Weights of a face detector that weights-convert wrote. [default: the bundled YuNet]",
        )
        @functools.wraps(command)
        def with_detection(*args: Any, detect: Detect, detector: Path | None, **options: Any) -> Any:
            return command(*args, detection=Detection(detect, detector, one_each), **options)

        return with_detection

    return decorate


def method_list(option: str, methods: Mapping[str, Method[Any]]) -> str:
    """The names, summaries and costs of the methods that an option takes, as the end of a click command's help."""
    indent = max(map(len, methods)) + 4
    lines = [f"METHOD of {option}, and its passes through the network per face:"]
    for name, method in methods.items():
        summary = f"{method.summary}; {method.cost}"
        lines += textwrap.wrap(summary, WIDTH, initial_indent=f"  {name}".ljust(indent), subsequent_indent=" " * indent)
    return "\n".join(["\b", *lines])


def check_supported(option: str, name: str, methods: Mapping[str, Method[Any]], recognizer: Recognizer) -> None:
    """Raises a PfiqError if the recogniser lacks what a method needs."""
    if missing := methods[name].missing(recognizer):
        raise PfiqError(f"{option} {name}: the recogniser has {missing}.")
