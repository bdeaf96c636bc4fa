"""Where ``pfiq score`` writes: stdout, a file that grows, a Parquet file, or a folder of shards."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import click

from pfiq_jax.bulk import Inputs, ScoreFolder, ScoreTable, merge, new_manifest, resume, store_of
from pfiq_jax.bulk.processes import Process
from pfiq_jax.bulk.rows import TEXT_FORMATS, check_pyarrow
from pfiq_jax.bulk.stores import Store, is_address
from pfiq_jax.cli.output_files import STDOUT, check_writable, write_to_stdout
from pfiq_jax.errors import OutputError
from pfiq_jax.outputs import RowsFile

PARTS = ".parts"  # added to the name of a Parquet file: the folder of its shards while they are computed


class Target(NamedTuple):
    """The output that the options choose.

    Attributes:
        output: as it was given.
        kind: of the output.
        resume: whether to continue a file that exists.
        force: whether to replace what exists.
    """

    output: str
    kind: Literal["stdout", "text", "parquet", "folder"]
    resume: bool
    force: bool


class Run(NamedTuple):
    """What is scored, and how.

    Attributes:
        inputs: all images.
        method: the quality method.
        weights: SHA-256 of the file of weights.
        options: further settings that the rows depend on.
        process: which of several processes this is.
    """

    inputs: Inputs
    method: str
    weights: str
    options: Mapping[str, str]
    process: Process


def target_of(output: str, *, resume: bool, force: bool, maps: bool, process: Process) -> Target:
    """The target that the options choose.

    Raises:
        click.UsageError: for a name with a suffix of another format, and for options that need a folder.
        PfiqError: if pyarrow is needed and not installed.
    """
    suffix = Path(output).suffix.lower()
    if output == str(STDOUT):
        target = Target(output, "stdout", resume, force)
    elif is_address(output) or not suffix or output.endswith("/") or Path(output).is_dir():
        target = Target(output, "folder", resume, force)
    elif suffix in TEXT_FORMATS:
        target = Target(output, "text", resume, force)
    elif suffix == ".parquet":
        target = Target(output, "parquet", resume, force)
    elif Path(output).exists():  # a file of another kind is not replaced
        raise OutputError(f"{output}: exists and is not a file of scores; give a .csv, .jsonl or .parquet file.")
    else:
        raise click.UsageError(
            f"{output}: has no known suffix; give a .csv, .jsonl or .parquet file, or a folder (if its name has a "
            "dot, create it first)."
        )
    if target.kind != "folder" and maps:
        raise click.UsageError("--maps: needs a folder as output; give one, as with -o scores/.")
    if target.kind != "folder" and process.source.startswith("--"):
        raise click.UsageError(
            f"{process.source}: needs a folder as output, which the processes share; give one, as with -o scores/."
        )
    if resume and force:
        raise click.UsageError("--resume and --force: exclude each other; give one of them.")
    if target.kind in ("parquet", "folder"):
        check_pyarrow(output)
    return target


def check_target(target: Target, inputs: Inputs, others: Sequence[str | Path | None]) -> None:
    """Checks before the work that the output can be written, and that nothing is lost.

    Args:
        target: the output.
        inputs: the images, which must not be overwritten.
        others: further files that are read; None for an option that was not given.

    Raises:
        OutputError: for an output that is an input, cannot be written, or exists.
    """
    if target.kind == "stdout":
        check_writable([STDOUT], [])
        return
    path = Path(target.output)
    is_file = path.exists() and not path.is_dir()
    if is_file or target.kind != "folder":
        check_writable([path], [*others, *(inputs.names() if is_file else ())])
    if target.kind == "folder":
        store_of(target.output)
        return
    parts = Path(target.output + PARTS)
    remedy = "--force to replace it, or another name"
    if target.force:
        return
    if is_file and path.stat().st_size:
        if target.kind == "parquet":
            raise OutputError(f"{path}: exists and is complete; give {remedy}.")
        if not target.resume:
            raise OutputError(f"{path}: exists; give --resume to continue it, {remedy}.")
    if target.kind == "parquet" and parts.exists() and not target.resume:
        raise OutputError(f"{parts}: is left from an interrupted run; give --resume to continue it, {remedy}.")


@contextlib.contextmanager
def opened(target: Target, run: Run) -> Iterator[ScoreTable | ScoreFolder]:
    """The table or folder that scores are written to. It is complete when the block ends without an exception.

    Raises:
        OutputError: if it holds other scores, another process writes it, or it cannot be written.
    """
    path = Path(target.output)
    if target.kind == "stdout":
        yield ScoreTable(write_to_stdout, ".csv", run.method, run.weights)
    elif target.kind == "text":
        with RowsFile(path) as file:
            goes_on = target.resume and path.exists()
            done = resume(file, path, run.inputs, run.method, run.weights) if goes_on else 0
            yield ScoreTable(file.write, path.suffix.lower(), run.method, run.weights, done)
    elif target.kind == "parquet":
        parts = store_of(target.output + PARTS)
        with _folder(parts, target, run._replace(process=Process())) as folder:
            yield folder
        merge(parts, path)
        folder.remove()
        Path(parts.name).rmdir()
    else:
        store = store_of(target.output)
        folder = _folder(store, target, run)
        try:
            with folder:
                yield folder
        finally:
            click.echo(_about(folder), err=True)


def _folder(store: Store, target: Target, run: Run) -> ScoreFolder:
    wanted = new_manifest(
        run.inputs.fingerprint(),
        len(run.inputs),
        method=run.method,
        weights=run.weights,
        options=run.options,
        processes=run.process.count,
    )
    return ScoreFolder(store, wanted, run.process, force=target.force)


def _about(folder: ScoreFolder) -> str:
    """A sentence on how many shards exist, and what to do next."""
    process, missing, shards = folder.process, len(folder.missing()), folder.manifest.shards
    name = folder.store.name
    who = f"Process {process.index} of {process.count} ({process.source}): " if process.count > 1 else ""
    there = f"{who}{shards - missing} of {shards} shards are in {name}"
    if not missing:
        return f"{there}; `pfiq merge {name} -o NAME.parquet` writes one file."
    return f"{there}; the same command goes on."
