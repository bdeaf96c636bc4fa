import errno
import signal

import click
import jax
import pytest
from click.testing import CliRunner

from pfiq_jax import PfiqError
from pfiq_jax.cli import SUBCOMMANDS, main
from pfiq_jax.cli.commands import Commands, Terminated
from pfiq_jax.errors import OutputError


def test_help_lists_the_subcommands_by_how_their_own_help_starts(run):
    listed = " ".join(run("--help").stdout.split())
    assert list(SUBCOMMANDS) == main.list_commands(click.Context(main))
    for name, (_, summary) in SUBCOMMANDS.items():
        assert f"{name} {summary}" in listed
        subcommand = main.get_command(click.Context(main), name)
        assert subcommand.name == name
        assert subcommand.help.startswith(summary.rstrip("."))


def test_usage(run):
    assert "--help" in run("score", exit_code=2).stderr
    assert "No such command" in run("scores", exit_code=2).stderr


def test_version(run, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", {"pfiq-jax": "1.2.3", "jax": "4.5.6"}.__getitem__)
    assert run("--version").stdout.splitlines()[:2] == ["pfiq 1.2.3", "jax 4.5.6"]
    assert run("--version").stdout.count("cpu:") == jax.device_count()

    def fail() -> None:
        raise RuntimeError("no TPU")

    monkeypatch.setattr(jax, "devices", fail)
    assert "devices none (no TPU)" in run("--version").stdout


@pytest.mark.parametrize(
    ("error", "exit_code", "line"),
    [
        (PfiqError("a.png: is empty; give an image."), 1, "Error: a.png: is empty; give an image."),
        (PfiqError("a\n\x1b[1m\r.png: is empty."), 1, "Error: a\\n\\x1b[1m\\r.png: is empty."),
        (OutputError("a.csv: cannot be written."), 3, "Error: a.csv: cannot be written."),
        (OSError(errno.EACCES, "Permission denied", "a.csv"), 1, "Error: a.csv: Permission denied."),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            3,
            "Error: stdout: cannot be written (No space left on device); use -o.",
        ),
        (KeyboardInterrupt(), 130, "Aborted!"),
        (Terminated(), 143, "Terminated!"),
    ],
)
def test_mistakes_end_in_one_sentence_and_an_exit_code(error, exit_code, line):
    @click.group(cls=Commands)
    def group() -> None: ...

    @group.command()
    def fail() -> None:
        raise error

    result = CliRunner().invoke(group, ["fail"])
    assert (result.exit_code, result.stderr) == (exit_code, f"{line}\n")
    text = CliRunner().invoke(group, ["--help"]).stdout
    assert "fail" in text
    assert "Exit codes: 0," in text


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_run_after_what_it_has_to_clean_up(number, exit_code):
    cleaned = []

    @click.group(cls=Commands)
    def group() -> None: ...

    @group.command()
    def wait() -> None:
        try:
            signal.raise_signal(number)
        finally:
            cleaned.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    assert CliRunner().invoke(group, ["wait"]).exit_code == exit_code
    assert len(cleaned) == 1
    assert (cleaned[0] is signal.SIG_DFL) == (number == signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
