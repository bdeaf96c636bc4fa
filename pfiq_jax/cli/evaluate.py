"""``pfiq evaluate``: is the score right, is the map right, on faces of known identity."""

import click

from pfiq_jax.cli.evaluate_disturbances import inpainting, masks
from pfiq_jax.cli.evaluate_maps import maps
from pfiq_jax.cli.evaluate_scores import scores


@click.group()
def evaluate() -> None:
    """Measure scores and maps on a folder of identity folders."""


for verb in (scores, maps, masks, inpainting):
    evaluate.add_command(verb)
