"""``pfiq``: how useful faces are for recognition, and which pixels determine their quality."""

import click

from pfiq_jax.cli.commands import Commands

SUBCOMMANDS = {
    "explain": ("pfiq_jax.cli.explain:explain", "Draw which pixels make a face useful for recognition."),
    "score": ("pfiq_jax.cli.score:score", "Score faces: files, folders, patterns, lists, archives, addresses."),
    "merge": ("pfiq_jax.cli.merge:merge", "Write one table from the shards that `pfiq score -o FOLDER` wrote."),
    "align": ("pfiq_jax.cli.align:align", "Write the aligned faces of photographs."),
    "calibrate": ("pfiq_jax.cli.calibrate:calibrate", "Find out what the quality scores of a recogniser mean."),
    "sheet": ("pfiq_jax.cli.sheet:sheet", "Draw all faces of a folder in one picture."),
    "activations": (
        "pfiq_jax.cli.activations:activations",
        "Show where the recogniser looks in faces of high and of low quality.",
    ),
    "export": ("pfiq_jax.cli.export:export", "Write scores and maps as a program that runs without this library."),
    "evaluate": ("pfiq_jax.cli.evaluate:evaluate", "Evaluate quality scores and pixel maps."),
}


def print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Prints the versions of the library and of JAX, and the devices, as a bug report should state them."""
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    import jax

    try:
        devices = ", ".join(f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices())
    except RuntimeError as error:  # JAX_PLATFORMS names a device that does not exist
        devices = f"none ({error})"
    click.echo(f"pfiq {version('pfiq-jax')}\njax {version('jax')}\ndevices {devices}")
    ctx.exit()


@click.group(
    cls=Commands,
    late=SUBCOMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_version,
    help="Print the versions of pfiq and JAX and the devices.",
)
def main() -> None:
    """How useful face images are for recognition, and which pixels determine their quality."""
