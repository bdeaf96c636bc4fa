"""A group of subcommands that are imported when they are run, and whose mistakes end in one sentence."""

import errno
import importlib
from collections.abc import Mapping
from typing import Any

import click

from pfiq_jax.errors import PfiqError


class Commands(click.Group):
    """A group whose subcommands may be imported late. A PfiqError or OSError ends in one sentence and exit code 1.

    Args:
        late: by the name of each subcommand, where it is, as ``package.module:attribute``, and its one-line help. The
            help of the group lists these, in this order, without importing them.
    """

    def __init__(self, *args: Any, late: Mapping[str, tuple[str, str]] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.late = late or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the subcommands, the late ones first."""
        return [*self.late, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand of a name, imported if need be."""
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

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the subcommand."""
        try:
            return super().invoke(ctx)
        except PfiqError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # `pfiq ... | head`; click handles it
                raise
            raise click.ClickException(f"{error.filename or 'the output'}: {error.strerror or error}.") from error
