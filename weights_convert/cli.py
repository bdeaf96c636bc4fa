"""``weights-convert``: weights of other frameworks to files that ``pfiq_jax`` reads."""

from pathlib import Path
from typing import Literal

import click

from pfiq_jax.errors import PfiqError
from pfiq_jax.verbs import Verbs

# The runtimes of other frameworks are imported inside the commands, so that --help is there in a second.


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Turns face recognition weights of other frameworks into files that pfiq_jax reads."""


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--architecture", metavar="NAME", help="As iresnet100 or sface; found from the arrays' names if left out."
)
@click.option("--dtype", type=click.Choice(["float32", "float16"]), default="float32", show_default=True)
@click.option("--epsilon", type=float, help="Of every BatchNorm; if left out the file's own, else torch's 1e-5.")
@click.option("--license", "license_", metavar="TEXT", help="What may be done with the weights; kept in the output.")
@click.option("--verify", "verified", is_flag=True, help="Compare with the source under torch or ONNX Runtime.")
@click.option("--images", type=click.Path(path_type=Path), help="Folder of 112x112 faces to verify on; needs --verify.")
def convert(
    source: Path,
    output: Path,
    architecture: str | None,
    dtype: Literal["float32", "float16"],
    epsilon: float | None,
    license_: str | None,
    verified: bool,
    images: Path | None,
) -> None:
    """Converts the weights file SOURCE (.onnx, .safetensors, .pt, .pth, .ckpt) to OUTPUT (.safetensors)."""
    from weights_convert.convert import convert
    from weights_convert.readers import read
    from weights_convert.verify import sample_images, verify

    if images is not None and not verified:
        raise click.UsageError("--images is what --verify looks at; give both or neither.")
    if not output.parent.is_dir():  # said before the work rather than after it
        raise PfiqError(f"{output.parent}: no such folder for the output; make it or choose another place.")
    if output.resolve() == source.resolve():
        raise PfiqError(f"{output}: is the source itself; choose another place for the output.")
    arrays = read(source)
    recognizer = convert(arrays, architecture=architecture, dtype=dtype, epsilon=epsilon, license=license_)
    if verified:
        recognizer = verify(arrays, recognizer, sample_images(images))
    recognizer.save(output)
    click.echo("\n".join(f"{name}: {text}" for name, text in (("output", output), *recognizer.provenance)))
