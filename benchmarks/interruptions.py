"""Whether ``pfiq score`` writes equal files if it is killed at random moments and started again.

    python -m benchmarks.interruptions FOLDER [--faces 20000] [--kills 10] [--small] [-o benchmarks/results/NAME.md]

FOLDER has aligned faces at any depth, which are repeated. One file in twenty is broken. A run and all its children are
killed by SIGKILL, up to the given number of kills. Then it is started again and runs to its end. "Two processes": both
write to one folder, and one of them is killed. The control shows the result of the comparison if one byte differs.
Shards have 500 images, so that most kills leave some shards. With --small, a network that computes almost nothing
replaces the bundled one, so that shards are written quickly.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import numpy as np

from pfiq_jax.faces import expand_paths
from pfiq_jax.tables import markdown_table

SECONDS = {True: (3, 6), False: (10, 40)}  # range of the time from a start to its kill, with and without --small
PROGRAM = """\
import pfiq_jax.bulk.manifest
from pfiq_jax.cli import main
pfiq_jax.bulk.manifest.RECORDS_PER_SHARD = 500
main()"""
SMALL = f"""\
import pfiq_jax.cli.score
from benchmarks.bulk_memory import small_network
pfiq_jax.cli.score.start = lambda *_: small_network()
{PROGRAM}"""


def broken_files(folder: Path, face: bytes) -> list[str]:
    """Writes a file of every kind that cannot be scored."""
    contents = {
        "empty.jpg": b"",
        "truncated.jpg": face[: len(face) // 2],
        "text.jpg": b"no image",
        "header.png": b"\x89PNG\r\n\x1a\n" + bytes(50),
        "noise.webp": np.random.default_rng(0).bytes(3000),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder.jpg").mkdir()
    (folder / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(folder / "pipe.jpg")
    return [str(folder / name) for name in (*contents, "folder.jpg", "loop.jpg", "pipe.jpg", "missing.jpg")]


def start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", *arguments]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)


def finish(arguments: Sequence[str]) -> float:
    """Runs to the end, and returns the seconds."""
    started = time.perf_counter()
    with start(arguments) as process:
        assert process.wait() in (0, 1)
    return time.perf_counter() - started


def kill_often(arguments: Sequence[str], moments: Iterable[float]) -> int:
    """Kills a run some seconds after each of its starts, and returns the number of times that it was still running."""
    killed = 0
    for seconds in moments:
        with start(arguments) as process:
            time.sleep(seconds)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                killed += 1
    return killed


def differences(folder: Path, wanted: Path) -> int:
    """The number of files that are missing, unexpected, or not equal."""
    names = {*os.listdir(folder), *os.listdir(wanted)}
    return sum(
        not all((each / name).is_file() for each in (folder, wanted))
        or (folder / name).read_bytes() != (wanted / name).read_bytes()
        for name in names
    )


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--faces", default=20_000, show_default=True)
@click.option("--kills", default=10, show_default=True)
@click.option("--small", is_flag=True)
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, faces: int, kills: int, small: bool, output: Path | None) -> None:
    moments = np.random.default_rng(0).uniform(*SECONDS[small], kills + 2)
    good = [str(path.absolute()) for path in expand_paths([folder])]
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        broken = broken_files(place, Path(good[0]).read_bytes())
        names = [broken[i // 20 % len(broken)] if i % 20 == 7 else good[i % len(good)] for i in range(faces)]
        (place / "list.txt").write_text("\n".join(names))
        common = [SMALL if small else PROGRAM, "score", str(place / "list.txt"), "-o"]
        seconds = finish([*common, str(place / "whole")])
        rows.append(("undisturbed", "0", f"{seconds:.0f}", "-"))

        killed = kill_often([*common, str(place / "killed")], moments[:kills])
        seconds = finish([*common, str(place / "killed")])
        rows.append(("one process", str(killed), f"{seconds:.0f}", str(differences(place / "killed", place / "whole"))))

        shards = len(os.listdir(place / "whole")) - 1
        shared = [[*common, str(place / "shared"), "--process-index", str(i), "--process-count", "2"] for i in (0, 1)]
        (place / "shared").mkdir()
        (place / "shared/manifest.json").write_bytes((place / "whole/manifest.json").read_bytes())  # as many shards
        with start(shared[0]) as other:
            killed = kill_often(shared[1], moments[kills:])
            other.wait()
        seconds = finish(shared[1])
        rows.append(
            ("two processes", str(killed), f"{seconds:.0f}", str(differences(place / "shared", place / "whole")))
        )
        changed = sorted((place / "killed").glob("*.parquet"))[0]
        changed.write_bytes(changed.read_bytes()[:-1] + b"2")
        rows.append(("control: a byte changed", "0", "-", str(differences(place / "killed", place / "whole"))))
        network = "a small network" if small else "the bundled network"
    number = sum(name in broken for name in names)
    title = f"{network}, {faces:,} images, of which {number:,} are broken, in {shards} shards"
    table = markdown_table(["run", "kills", "seconds of the last run", "files that differ"], rows)
    text = f"## {title}\n\n{table}\n"
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
