"""``pfiq evaluate``: evaluations of quality scores and of pixel maps, on faces of known people."""

import click

from pfiq_jax.cli.commands import Commands

SUBCOMMANDS = {
    "scores": (
        "pfiq_jax.cli.evaluate_scores:scores",
        "Measure how well quality scores predict on which faces a recogniser fails.",
    ),
    "maps": (
        "pfiq_jax.cli.evaluate_maps:maps",
        "Measure how well maps show which pixels recognition depends on.",
    ),
    "masks": (
        "pfiq_jax.cli.evaluate_maps:masks",
        "Measure whether a map finds a square that covers a good face.",
    ),
    "inpainting": (
        "pfiq_jax.cli.evaluate_maps:inpainting",
        "Measure whether score and map rise when an occlusion is removed.",
    ),
}


@click.group(cls=Commands, late=SUBCOMMANDS)
def evaluate() -> None:
    """Evaluate quality scores and pixel maps on a folder that contains a folder of faces for each person."""
