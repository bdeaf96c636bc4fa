"""``pfiq``: how useful faces are for recognition, and which pixels make them so."""

import click

from pfiq_jax.cli.activations import activations
from pfiq_jax.cli.calibrate import calibrate
from pfiq_jax.cli.evaluate import evaluate
from pfiq_jax.cli.explain import explain
from pfiq_jax.cli.score import score
from pfiq_jax.cli.sheet import sheet
from pfiq_jax.verbs import Verbs


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="pfiq-jax", prog_name="pfiq")
def main() -> None:
    """How useful face images are for recognition, and which of their pixels make them so."""


for verb in (explain, score, calibrate, sheet, activations, evaluate):
    main.add_command(verb)
