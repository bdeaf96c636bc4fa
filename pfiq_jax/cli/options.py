"""Options that mean the same in every subcommand, and the list of methods that their help ends with."""

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import click

from pfiq_jax.errors import PfiqError
from pfiq_jax.methods import Method
from pfiq_jax.recognizers import Recognizer

FILE = click.Path(path_type=Path)
WIDTH = 78  # of a terminal of 80 columns

option_recognizer: Callable[[Any], Any] = click.option(
    "--recognizer",
    "recognizer_file",
    type=FILE,
    metavar="FILE.safetensors",
    help="Weights that weights-convert wrote. [default: the bundled SFace network]",
)

Detect = Literal["auto", "all", "largest", "centre", "none"]

option_detect: Callable[[Any], Any] = click.option(
    "--detect",
    type=click.Choice(get_args(Detect)),
    default="auto",
    show_default=True,
    help="Which faces of a photograph to use: all, the largest, or the one nearest to the centre. auto: all, and an "
    "image of the recogniser's size is taken for an aligned face. none: all images are, and those of other sizes are "
    "resized.",
)

option_detector: Callable[[Any], Any] = click.option(
    "--detector",
    "detector_file",
    type=FILE,
    metavar="FILE.safetensors",
    help="Weights of a face detector that weights-convert wrote. [default: the bundled YuNet]",
)


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
