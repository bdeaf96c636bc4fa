"""``weights-convert``: weights of other frameworks to files that ``pfiq_jax`` reads."""

from pathlib import Path
from typing import Literal

import click
from tqdm import tqdm

from pfiq_jax.cli.commands import Commands
from pfiq_jax.errors import PfiqError

# The runtimes of other frameworks are imported inside the commands, so that --help is there in a second.

FILE = click.Path(path_type=Path)
option_network = click.option(
    "--network",
    metavar="NAME",
    help="Name of the network, such as iresnet100 or sface. By default it is found from the file.",
)
option_images = click.option("--images", type=FILE, help="Folder of aligned faces to compare on, beside random pixels.")
option_symbol = click.option(
    "--symbol", type=FILE, help="Of an MXNet .params file; found beside it by its name if left out."
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Turns face recognition weights of other frameworks into files that pfiq_jax reads."""


@main.command()
@click.argument("source", type=FILE)
@option_network
@option_symbol
def inspect(source: Path, network: str | None, symbol: Path | None) -> None:
    """Prints what the weights file SOURCE holds, and which network it is.

    If it is none that is known, the nearest one, and what differs.
    """
    from weights_convert.inspection import describe
    from weights_convert.readers import read

    click.echo(describe(read(source, symbol), network))


@main.command()
@click.argument("source", type=FILE)
@click.argument("output", type=FILE)
@option_network
@click.option("--dtype", type=click.Choice(["float32", "float16", "bfloat16"]), default="float32", show_default=True)
@click.option("--epsilon", type=float, help="Of every BatchNorm; if left out the file's own, else the published one.")
@click.option(
    "--license", "license_text", metavar="TEXT", help="What may be done with the weights; kept in the output."
)
@click.option("--verify", "verified", is_flag=True, help="Compare with the source; see `weights-convert verify -h`.")
@option_images
@option_symbol
def convert(
    source: Path,
    output: Path,
    network: str | None,
    dtype: Literal["float32", "float16", "bfloat16"],
    epsilon: float | None,
    license_text: str | None,
    verified: bool,
    images: Path | None,
    symbol: Path | None,
) -> None:
    """Converts the weights file SOURCE to OUTPUT (.safetensors).

    SOURCE is a PyTorch .pt, .pth or .ckpt, a .safetensors, an ONNX .onnx, an MXNet .params (with its -symbol.json
    beside it), a Keras .h5 or the .npy of the published PLQ code. Nothing in it is executed.
    """
    from weights_convert.convert import convert
    from weights_convert.readers import read
    from weights_convert.source import Source
    from weights_convert.verify import sample_images, verify

    if images is not None and not verified:
        raise click.UsageError("--images is what --verify looks at; give both or neither.")
    if not output.parent.is_dir():  # said before the work rather than after it
        raise PfiqError(f"{output.parent}: no such folder for the output; make it or choose another place.")

    def load() -> Source:  # each time anew, since nobody else should hold the arrays while they are turned
        loaded = read(source, symbol)
        if output.resolve() in {path.resolve() for path in (source, loaded.companion) if path is not None}:
            raise PfiqError(f"{output}: is the source itself; choose another place for the output.")
        return loaded

    with tqdm(disable=None, unit="array", leave=False) as bar:

        def progress(names: list[str]):
            bar.reset(total=len(names))
            for name in names:
                yield name
                bar.update()

        recognizer = convert(
            load(), network=network, dtype=dtype, epsilon=epsilon, license_text=license_text, progress=progress
        )
    if verified:
        recognizer = verify(load(), recognizer, sample_images(recognizer.preprocessing.size, images))
    recognizer.save(output)
    click.echo("\n".join(f"{name}: {text}" for name, text in (("output", output), *recognizer.provenance)))


@main.command()
@click.argument("source", type=FILE)
@click.argument("converted", type=FILE)
@option_images
@option_symbol
def verify(source: Path, converted: Path, images: Path | None, symbol: Path | None) -> None:
    """Compares the file CONVERTED with the network SOURCE that it was made from, run by its own runtime.

    That is ONNX Runtime for .onnx, torch for its own files, and torch by the rules of the symbol for MXNet's. Where
    the embeddings differ, the first layers that do are named, and the exit code is 1.
    """
    from pfiq_jax import load_recognizer
    from weights_convert.readers import read
    from weights_convert.verify import sample_images, verify

    recognizer = load_recognizer(converted)
    verified = verify(read(source, symbol), recognizer, sample_images(recognizer.preprocessing.size, images))
    click.echo(f"{converted}: {dict(verified.provenance)['verified']}")
