"""What the command lines share: mistakes end in one sentence."""

import errno
from typing import Any

import click

from pfiq_jax.errors import PfiqError


class Verbs(click.Group):
    """Verbs whose mistakes end in one sentence on stderr and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the verb."""
        try:
            return super().invoke(ctx)
        except PfiqError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # `pfiq ... | head`; click knows what to do
                raise
            raise click.ClickException(f"{error.filename or 'the output'}: {error.strerror or error}.") from error
