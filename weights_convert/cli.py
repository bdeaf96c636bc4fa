"""``weights-convert``: weights of other frameworks as files that ``pfiq_jax`` reads."""

from functools import partial
from pathlib import Path
from typing import Literal

import click

from pfiq_jax.cli.commands import Commands
from pfiq_jax.errors import PfiqError
from pfiq_jax.outputs import check_output

# Everything that takes long to import is imported inside the subcommands, so that --help is fast.

FILE = click.Path(path_type=Path)
option_network = click.option(
    "--network",
    metavar="NAME",
    help="Name of the network, such as iresnet100 or sface. By default it is determined from the file.",
)
option_images = click.option(
    "--images", type=FILE, help="Folder of aligned faces for the comparison, in addition to random pixels."
)
option_symbol = click.option(
    "--symbol", type=FILE, help="Graph of an MXNet .params file. By default the -symbol.json file next to it."
)


option_entry = click.option(
    "--entry",
    default="",
    metavar="NAME",
    help="Which of several networks in SOURCE, such as model_ema or teacher. By default the one under the most usual "
    "name, such as state_dict; the output states it.",
)


class Channels(click.ParamType):
    """One number, or one per channel with commas between them."""

    name = "NUMBER[,NUMBER,NUMBER]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """The numbers."""
        try:
            return tuple(map(float, value.split(",")))
        except ValueError:
            self.fail(f"{value!r} is not one number, or three with commas between them.", param, ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Convert face recognition weights of other frameworks to files that pfiq_jax reads."""


@main.command()
@click.argument("source", type=FILE)
@option_network
@option_symbol
@option_entry
def inspect(source: Path, network: str | None, symbol: Path | None, entry: str) -> None:
    """Print which network the weights file SOURCE contains, and its arrays.

    If SOURCE does not match any known network, the most similar one and all differences are printed.
    """
    from weights_convert.inspection import describe
    from weights_convert.readers import read

    click.echo(describe(read(source, symbol, entry), network))


@main.command()
@click.argument("source", type=FILE)
@click.argument("output", type=FILE)
@option_network
@click.option("--dtype", type=click.Choice(["float32", "float16", "bfloat16"]), default="float32", show_default=True)
@click.option(
    "--epsilon",
    type=float,
    help="Epsilon of every BatchNorm. By default the one that SOURCE states, otherwise the published one.",
)
@click.option(
    "--channel-order",
    type=click.Choice(["RGB", "BGR"]),
    help="Order of the channels in the network's input. No file states it; by default the published one.",
)
@click.option(
    "--mean",
    type=Channels(),
    help="Value to subtract from pixels of 0 to 255. By default what SOURCE states, otherwise the published value.",
)
@click.option(
    "--scale", type=Channels(), help="Factor of the pixels after --mean is subtracted, such as 0.0078125. Same default."
)
@click.option("--license", "license_text", metavar="TEXT", help="Licence of the weights, saved in OUTPUT.")
@click.option("--verify", "verified", is_flag=True, help="Compare OUTPUT with SOURCE; see `weights-convert verify -h`.")
@option_images
@option_symbol
@option_entry
def convert(
    source: Path,
    output: Path,
    network: str | None,
    dtype: Literal["float32", "float16", "bfloat16"],
    epsilon: float | None,
    channel_order: Literal["RGB", "BGR"] | None,
    mean: tuple[float, ...] | None,
    scale: tuple[float, ...] | None,
    license_text: str | None,
    verified: bool,
    images: Path | None,
    symbol: Path | None,
    entry: str,
) -> None:
    """Convert the weights file SOURCE to OUTPUT (.safetensors).

    SOURCE is a checkpoint of PyTorch (.pt, .pth, .ckpt, .bin, .pth.tar), a .safetensors file, an ONNX .onnx file, an
    MXNet .params file (with its -symbol.json next to it), a Keras .h5 file, the .npy file of the published PLQ code, or
    a folder or .index.json file of Hugging Face. SOURCE is recognised by its content, not by its suffix. No code in it
    is executed.
    """
    from tqdm import tqdm

    from weights_convert.convert import convert
    from weights_convert.inspection import describe_origin
    from weights_convert.preprocessing import Given
    from weights_convert.readers import read
    from weights_convert.source import Source
    from weights_convert.verification import compare

    if images is not None and not verified:
        raise click.UsageError("--images: is used only by --verify; add --verify or omit --images.")
    if not output.parent.is_dir():  # reported before the conversion rather than after it
        raise PfiqError(f"{output.parent}: no such folder; create it, or choose another output.")
    check_output(output)

    def load() -> Source:  # read again each time: `convert` frees the arrays that nobody else holds
        loaded = read(source, symbol, entry)
        if output.resolve() in {path.resolve() for path in (source, loaded.path, *loaded.companions)}:
            raise PfiqError(f"{output}: is the source file; choose another output.")
        return loaded

    progress = partial(tqdm, disable=None, unit="array", leave=False)
    converted = convert(
        load(),
        network=network,
        dtype=dtype,
        epsilon=epsilon,
        preprocessing=Given(channel_order, mean, scale),
        license_text=license_text,
        progress=progress,
    )
    if verified:
        converted = compare(load(), converted, images)
    converted.save(output)
    click.echo("\n".join((f"output: {output}", *describe_origin(converted))))


@main.command()
@click.argument("source", type=FILE)
@click.argument("converted", type=FILE)
@option_images
@option_symbol
@option_entry
def verify(source: Path, converted: Path, images: Path | None, symbol: Path | None, entry: str) -> None:
    """Compare the file CONVERTED with the network SOURCE from which it was converted.

    ONNX Runtime runs .onnx files. PyTorch runs PyTorch and .safetensors files, and the graphs of MXNet files. If the
    embeddings differ, the first layers that differ are printed and the exit code is 1.
    """
    from weights_convert.readers import read
    from weights_convert.verification import compare, load_converted

    network = load_converted(converted)
    loaded = read(source, symbol, entry or network.provenance.entry)
    click.echo(f"{converted}: {compare(loaded, network, images).provenance.verified}")
