"""A group of subcommands that are imported when they are run, and whose errors are printed as one sentence."""

import contextlib
import errno
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import click

from pfiq_jax.errors import OutputError, PfiqError

LACKING = 1
UNWRITABLE = 3
INTERRUPTED, TERMINATED = 130, 143  # as shells count: 128 and the signal, SIGINT or SIGTERM
EXIT_CODES = (
    "Exit codes: 0, all inputs have a result; 1, some have none, or a file that all need cannot be used; 2, "
    f"wrong usage; {UNWRITABLE}, an output cannot be written; {INTERRUPTED}, interrupted; {TERMINATED}, terminated."
)


class Terminated(KeyboardInterrupt):
    """Ends a run after SIGTERM in the same way as an interrupted one: with a summary, and with whole rows."""


class Commands(click.Group):
    """A group whose subcommands may be imported late, and whose help ends with the exit codes.

    A PfiqError or OSError is printed as one sentence, without a traceback.

    Args:
        late: by the name of each subcommand, its location as ``package.module:attribute``, and its one-line help. The
            help of the group lists these, in this order, without importing them.
    """

    def __init__(self, *args: Any, late: Mapping[str, tuple[str, str]] | None = None, **options: Any) -> None:
        super().__init__(*args, **{"epilog": EXIT_CODES, **options})
        self.late = late or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the subcommands, the late ones first."""
        return [*self.late, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand with this name, imported if necessary."""
        if cmd_name not in self.late:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.late[cmd_name][0].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of subcommands."""
        if self.late:
            with formatter.section("Commands"):
                formatter.write_dl([(name, summary) for name, (_, summary) in self.late.items()])
        else:
            super().format_commands(ctx, formatter)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Runs the program."""
        open_standard_streams()
        with raising_terminated():
            return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the subcommand."""
        try:
            return super().invoke(ctx)
        except OutputError as error:
            fail(ctx, str(error), UNWRITABLE)
        except PfiqError as error:
            fail(ctx, str(error), LACKING)
        except Terminated:
            click.echo("Terminated!", err=True)
            ctx.exit(TERMINATED)
        except KeyboardInterrupt:
            click.echo("Aborted!", err=True)
            ctx.exit(INTERRUPTED)
        except OSError as error:
            if error.filename is not None:
                fail(ctx, f"{error.filename}: {error.strerror or error}.", LACKING)
            leave_stdout()  # files are written elsewhere, with their names in the errors
            if error.errno == errno.EPIPE:  # as by `pfiq ... | head`, which has read enough
                ctx.exit(UNWRITABLE)
            fail(ctx, f"stdout: cannot be written ({error.strerror or error}); use -o.", UNWRITABLE)


def fail(ctx: click.Context, message: str, exit_code: int) -> NoReturn:
    """Ends the program with a message on one line and an exit code."""
    click.echo(f"Error: {one_line(message)}", err=True)
    ctx.exit(exit_code)


def one_line(text: str) -> str:
    """Text without line breaks and other control characters, which file names may contain."""
    return "".join(each if each.isprintable() or "\ud800" <= each <= "\udfff" else repr(each)[1:-1] for each in text)


@contextlib.contextmanager
def raising_terminated() -> Iterator[None]:
    """Makes SIGTERM raise ``Terminated`` where it would kill the process. A second SIGTERM kills it."""
    is_main = threading.current_thread() is threading.main_thread()  # other threads get no signals
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def terminate(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def open_standard_streams() -> None:
    """Opens standard streams that the caller closed, so that no output file gets the number of stderr and its messages.

    ``sys.stdout`` stays None if stdout was closed: nothing can be written there.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for the rest of the run
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for names of files that are not text


def leave_stdout() -> None:
    """Discards the buffer of stdout, since Python would fail to write it when it exits."""
    with contextlib.suppress(OSError, AttributeError):  # stdout is not a file of the system
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
