"""Makes every table and picture of the documentation anew.

    python -m benchmarks.all --data DATA [--only NAME ...] [--again]
    python -m benchmarks.all --data DATA --list

Results whose command, code and data have not changed since they were made are left as they are, so the same command
goes on after an interruption. Comments, docstrings, help texts and messages of errors do not count as code.
``benchmarks/results/manifest.json`` says what was measured when, on which device and commit. What needs data, packages
or a device that are not here is left out and named at the end.
"""

import hashlib
import importlib.util
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks import manifest, source
from benchmarks.manifest import MADE, RESULTS
from benchmarks.records import MADE_RECORDS, RESULT_RECORDS, Record
from benchmarks.source import ROOT, Source
from pfiq_jax.tables import markdown_table

PROGRAMS = {
    "python": [sys.executable],
    "pfiq": [sys.executable, "-c", "from pfiq_jax.cli import main; main()"],
    "weights-convert": [sys.executable, "-c", "from weights_convert.cli import main; main()"],
}
LAST_LINES = 5  # of the output of a command that failed


def folder_of(record: Record) -> Path:
    return MADE if record.is_made else RESULTS


def makers(record: Record) -> list[Record]:
    """The records of the intermediate files that a record needs, those first that others need."""
    direct = [each for each in MADE_RECORDS if each.name in record.makes_from]
    return list({each.name: each for maker in direct for each in (*makers(maker), maker)}.values())


def missing(record: Record, data: Path, device: str) -> str:
    """Why a record cannot be made here; empty if it can."""
    every = (record, *makers(record))
    paths = [path for each in every for path in each.data if not (data / path).exists()]
    packages = [name for each in every for name in each.packages if importlib.util.find_spec(name) is None]
    reasons = [f"{path} is not in the data" for path in dict.fromkeys(paths)]
    reasons += [f"the package {name} is not installed" for name in dict.fromkeys(packages)]
    if record.device not in ("", device):
        reasons.append(f"needs the device {record.device}, and this is {device}")
    return "; ".join(reasons)


def key_of(record: Record, data: Path, code: Source) -> str:
    """Changes with the command, the code and the data of a record and of the intermediate files that it reads."""
    results = [ROOT / each for each in re.findall(r"benchmarks/results/[\w.]+", record.command)]
    contents = [path.read_text() for path in results if path.exists()]
    scripts = source.digest(source.scripts_of(record.command))
    sizes = manifest.digest_of_sizes(data / path for path in record.data)
    parts = [record.command, code.library, scripts, sizes, *contents]
    parts += [key_of(maker, data, code) for maker in makers(record)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def is_done(record: Record, key: str) -> bool:
    folder = folder_of(record)
    entries = manifest.read_manifest(folder)
    return all((folder / name).exists() and entries.get(name, {}).get("key") == key for name in record.files)


def arguments_of(record: Record, data: Path, out: Path) -> list[str]:
    """The command as a list, with folders in the places of DATA, OUT and MADE."""
    folders = {"DATA": data.absolute(), "OUT": out, "MADE": MADE}
    first, *others = shlex.split(record.command)
    return PROGRAMS[first] + [re.sub(r"^(DATA|OUT|MADE)\b", lambda m: str(folders[m[1]]), each) for each in others]


def make(record: Record, data: Path, device: str, code: Source, key: str) -> str:
    """Runs a command and keeps its files with their entry; returns why it failed, or nothing."""
    folder = folder_of(record)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as out, (Path(out) / "log").open("w+") as log:
        start = time.perf_counter()
        result = subprocess.run(arguments_of(record, data, Path(out)), cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        seconds = time.perf_counter() - start
        absent = [written for written in record.files.values() if not (Path(out) / written).exists()]
        if result.returncode or absent:
            log.seek(0)
            lines = "\n".join(log.read().splitlines()[-LAST_LINES:])
            return f"exit code {result.returncode}{f', no {absent[0]}' if absent else ''}\n{lines}"
        for name, written in record.files.items():
            keep(Path(out) / written, folder / name)
    about = {"command": record.command, "commit": code.commit, "seconds": round(seconds, 1), "key": key}
    manifest.note(folder, record.files, about | manifest.surroundings(device, record.packages))
    return ""


def keep(source: Path, target: Path) -> None:
    """Moves a file or a folder to its place, whose earlier content goes."""
    if target.is_dir():
        shutil.rmtree(target)
    shutil.move(source, target)


def chosen(only: tuple[str, ...]) -> list[Record]:
    """The records of some results, or all of them."""
    unknown = set(only) - {name for record in RESULT_RECORDS for name in record.files}
    if unknown:
        raise click.UsageError(f"--only {', '.join(sorted(unknown))}: no such result; --list shows all.")
    return [record for record in RESULT_RECORDS if not only or set(only) & set(record.files)]


def states(
    records: list[Record], data: Path, device: str, code: Source, again: bool
) -> Iterator[tuple[Record, str, str]]:
    """Each record, why it cannot be made here, and its key if it is to be made."""
    for record in records:
        key = key_of(record, data, code)
        yield record, missing(record, data, device), "" if is_done(record, key) and not again else key


def run(record: Record, data: Path, device: str, code: Source, key: str) -> str:
    """Makes a record, and before it the intermediate files that are missing; returns why it failed, or nothing."""
    for maker in makers(record):
        maker_key = key_of(maker, data, code)
        if not is_done(maker, maker_key) and (failure := make(maker, data, device, code, maker_key)):
            return f"{maker.name}: {failure}"
    return make(record, data, device, code, key)


@click.command(help=__doc__.split("\n")[0])
@click.option("--data", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--only", multiple=True, metavar="NAME", help="A result, by its file name; may be repeated.")
@click.option("--again", is_flag=True, help="Make results again whose command, code and data have not changed.")
@click.option("--list", "lists", is_flag=True, help="Show all results and what they need, and make none.")
def main(data: Path, only: tuple[str, ...], again: bool, lists: bool) -> None:
    records = chosen(only)
    code, device = source.current(), manifest.device()
    found = states(records, data, device, code, again)  # lazy, since a result can read one that is made before
    if lists:
        rows = [
            [", ".join(record.files), f"{record.minutes:g}", why or ("to be made" if key else "up to date")]
            for record, why, key in found
        ]
        click.echo(markdown_table(["result", "about minutes", "state"], rows))
        return
    failed = []
    for record, why, key in found:
        if why or not key:
            click.echo(f"{record.name}: {f'left out: {why}' if why else 'up to date'}")
            continue
        click.echo(f"{record.name}: {record.command}")
        if failure := run(record, data, device, code, key):
            click.echo(f"{record.name}: failed with {failure}", err=True)
            failed.append(record.name)
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a run that is ended takes its command with it
    main()
