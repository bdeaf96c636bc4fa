"""``pfiq evaluate``: is the score right, is the map right, on faces of known identity."""

import click


@click.group()
def evaluate() -> None:
    """Measure scores and maps on a folder of identity folders."""
