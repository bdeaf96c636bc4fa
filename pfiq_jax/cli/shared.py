"""What the verbs share: starting, reading, checking outputs, the closing words."""

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import jax
from platformdirs import user_cache_path

from pfiq_jax.cpu_memory import keep_freed_memory
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces import Face, parse_landmarks, read_face, read_landmarks
from pfiq_jax.recognizers import Recognizer, load_recognizer
from pfiq_jax.recognizers.preprocessing import Points

MEANING = "Quality runs from 0 to 1; higher is more useful for recognition. Compare scores of one recogniser only."
NAMED = 10  # files that a warning names before it only counts

STDOUT = Path("-")
FILE = click.Path(path_type=Path)


def option_recognizer(verb: Any) -> Any:
    """Adds --recognizer to a verb."""
    return click.option(
        "--recognizer",
        "weights",
        type=FILE,
        metavar="FILE.safetensors",
        help="Weights that weights-convert wrote. [default: the bundled SFace network]",
    )(verb)


def start(weights: Path | None) -> Recognizer:
    """The recogniser, and the process made ready to run it."""
    keep_freed_memory()
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of odd metadata in images that can be read
    warnings.filterwarnings("ignore", message="Glyph .* missing")  # of file names that matplotlib has no font for
    # A damaged entry costs a compilation, and cannot be mended by JAX: it would be told of in every run.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    cache = user_cache_path("pfiq_jax")
    configured = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if configured is None and is_usable_folder(cache):
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    return load_recognizer(weights)


def identity(recognizer: Recognizer) -> str:
    """What tells one recogniser from another: its weights' source, by name and sha256."""
    origin = recognizer.provenance
    return f"{origin.source or recognizer} {origin.source_sha256}".rstrip()


def reader_of(recognizer: Recognizer, points: dict[str, Points] | None) -> Callable[[Path], Face]:
    """Reads faces as the recogniser wants them."""
    wanted = recognizer.preprocessing
    return lambda path: read_face(path, wanted.size, points, wanted.template)


def is_usable_folder(folder: Path) -> bool:
    """Whether the folder is there, or could be made, and can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def landmarks_of(option: str | Path | None, paths: Sequence[Path]) -> dict[str, Points] | None:
    """Landmarks by absolute path, from ten numbers for the only image or from a CSV file."""
    if option is None:
        return None
    numbers = str(option).split(",")
    if len(numbers) == 1 or os.path.exists(option):
        return read_landmarks(Path(option))
    if len(paths) > 1:
        raise click.UsageError(f"--landmarks are of one image, but there are {len(paths)}; give a CSV file.")
    return {os.path.abspath(paths[0]): parse_landmarks(numbers, "--landmarks")}


def check_writable(outputs: Sequence[Path], inputs: Sequence[str | Path]) -> None:
    """Finds out before the work, rather than after it, that an output cannot be written; changes no file.

    Args:
        outputs: files that will be written; - is stdout.
        inputs: images, landmarks and weights, none of which may be among the outputs.
    """
    read = {os.path.realpath(path) for path in inputs}  # of links too, since writing to one writes to its target
    for path in outputs:
        if path == STDOUT:
            continue
        if os.path.realpath(path) in read:
            raise PfiqError(f"{path}: is an input and would be overwritten; name another output, as with -o.")
        is_new = not path.exists()
        if not (is_new or path.is_file() or path.is_dir()):  # a pipe notices being opened
            continue
        try:
            path.open("ab").close()
        except OSError as error:
            raise PfiqError(f"{path}: cannot be written ({error.strerror}); choose another output.") from error
        if is_new:
            path.unlink()


def summarize(recognizer: Recognizer, count: int, squeezed: Sequence[Path], problems: Sequence[str]) -> None:
    """Says on stderr what the scores mean, which ones to doubt, and which files have none."""
    click.echo(MEANING, err=True)
    if squeezed:
        height, width = recognizer.preprocessing.size
        names = ", ".join(map(click.format_filename, squeezed[:NAMED]))
        more = f" and {len(squeezed) - NAMED} more" if len(squeezed) > NAMED else ""
        click.echo(
            f"Warning: squeezed to {width}x{height} pixels without being aligned, which makes the score doubtful: "
            f"{names}{more}. Give --landmarks to align.",
            err=True,
        )
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    if problems:
        click.echo(f"{len(problems)} of {count} files have no score.", err=True)
