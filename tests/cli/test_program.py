"""``pfiq`` as a program of its own."""

import csv
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pfiq_jax.cli.outcome import MEANING

PROGRAM = "from pfiq_jax.cli import main; main(prog_name='pfiq')"


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def program(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_as_a_program_in_an_empty_folder(tmp_path):
    """Its cache is not in the empty folder, which holds the picture alone after."""
    (tmp_path / "work").mkdir()
    os.chdir("work")
    for _ in range(2):
        result = program("explain", XDG_CACHE_HOME=str(tmp_path / "cache"))
        assert result.returncode == 0
        first = "No image given: explaining the bundled demo face."
        assert result.stderr.splitlines() == [first, MEANING]
    assert os.listdir() == ["demo_face_quality.png"]
    entries = [path for path in (tmp_path / "cache/pfiq_jax").iterdir() if path.name.endswith("-cache")]
    assert entries
    for entry in entries:
        entry.write_bytes(b"damaged")
    result = program("explain", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (result.returncode, len(result.stderr.splitlines())) == (0, 2), result.stderr


def test_as_a_program_without_a_cache_and_with_a_mistake(tmp_path):
    Path("file").touch()
    result = program("score", "none.png", XDG_CACHE_HOME=str(tmp_path / "file"))
    assert result.returncode == 1
    assert [
        {name: cell for name, cell in row.items() if cell and name not in ("method", "weights")}
        for row in rows(result.stdout)
    ] == [{"path": "none.png", "status": "failed", "error": "none.png: no such file; give an image file."}]
    assert result.stderr.splitlines() == [
        "Error: none.png: no such file; give an image file.",
        "1 of 1 files were left out.",
    ]


def closing(streams, *arguments):
    """Runs the program from a shell that closes or redirects streams."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["sh", "-c", f'exec "$0" "$@" {streams}', sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_a_closed_stderr_loses_no_row(tmp_path):
    """As under a daemon: the progress bar and the summary go nowhere, and no output file gets their number."""
    Path("scores.csv").write_text("old")
    result = closing("2>&- 0<&-", "score", "none.png", "-o", "scores.csv", "--force")
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "")
    assert [row["path"] for row in rows(Path("scores.csv").read_text())] == ["none.png"]


def test_a_closed_stdout_is_noticed_before_the_work(tmp_path):
    result = closing(">&-", "score", "none.png")
    assert result.returncode == 3
    assert result.stderr == "Error: stdout: is closed; give an output file, as with -o.\n"
    assert closing(">&-", "score", "none.png", "-o", "scores.csv").returncode == 1
    assert Path("scores.csv").exists()


@pytest.mark.parametrize("redirected", [False, True])
def test_a_full_disk_leaves_whole_rows_and_is_named(tmp_path, redirected):
    """The limit of a file's size stands for a full disk; blocks of 512 or 1024 bytes. It would cut bytecode, too."""
    names = [f"{'x' * 200}{number}.png" for number in range(200)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    environment |= {
        "XDG_CACHE_HOME": str(tmp_path / "none"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    to = "> out.csv" if redirected else "-o out.csv"
    command = ["sh", "-c", f'ulimit -f 64; exec "$0" "$@" {to}', sys.executable, "-c", PROGRAM, "score", *names]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 3, result.stderr
    name, remedy = ("stdout", "use -o") if redirected else ("out.csv", "choose another output")
    assert result.stderr.splitlines()[-1] == f"Error: {name}: cannot be written (File too large); {remedy}."
    text = Path("out.csv").read_text()
    assert text.endswith("\n")
    table = rows(text)
    assert 0 < len(table) < 200
    assert [row["path"] for row in table] == names[: len(table)]
    assert all(row["error"] for row in table)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "exit_code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGKILL", -signal.SIGKILL)])
def test_a_signal_leaves_whole_rows(tmp_path, number, exit_code):
    """At three moments after the first row; SIGTERM ends a run as Ctrl-C does."""
    # Shells let programs in the background ignore SIGINT.
    code = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {PROGRAM}"
    random = np.random.default_rng(0)
    names = [f"{index:03}.png" for index in range(200)]
    for name in names:
        Image.fromarray(random.integers(0, 256, (112, 112, 3), np.uint8)).save(name)
    for delay in random.uniform(0, 0.5, 3):
        Path("out.csv").unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-c", code, "score", *names, "-o", "out.csv"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while process.poll() is None and not (os.path.exists("out.csv") and os.path.getsize("out.csv") > 200):
                time.sleep(0.02)
            time.sleep(delay)
            process.send_signal(getattr(signal, number))
            _, said = process.communicate(timeout=60)
        assert process.returncode == exit_code
        assert (MEANING in said) == (exit_code > 0)
        text = Path("out.csv").read_text()
        assert text.endswith("\n")
        table = rows(text)
        assert 0 < len(table) < 200
        assert [row["path"] for row in table] == names[: len(table)]
        assert all(0 < float(row["quality"]) < 1 and None not in row.values() for row in table)


def test_a_reader_of_stdout_that_has_enough_ends_the_run_without_a_word(tmp_path):
    result = closing("| true", "evaluate", "--help")
    assert result.stderr == ""


@pytest.mark.parametrize("module", ["pfiq_jax.cli", "weights_convert.cli"])
def test_help_is_there_before_anything_slow_is_imported(module):
    """Within 0.3 s, unless jax or numpy are imported."""
    code = f"""
import sys
from {module} import main
main(["--help"], standalone_mode=False)
slow = {{"jax", "flax", "numpy", "scipy", "PIL", "h5py", "onnx", "torch"}} & sys.modules.keys()
assert not slow, slow
"""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout
