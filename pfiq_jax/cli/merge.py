"""``pfiq merge``: one table from a folder of scores."""

from pathlib import Path

import click

from pfiq_jax import bulk
from pfiq_jax.bulk.rows import TEXT_FORMATS, check_pyarrow
from pfiq_jax.cli.options import FILE
from pfiq_jax.cli.output_files import check_writable
from pfiq_jax.errors import OutputError


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option(
    "-o", "--output", type=FILE, required=True, metavar="FILE", help="File to write: .csv, .jsonl or .parquet."
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def merge(folder: str, output: Path, force: bool) -> None:
    """Write one table from the shards that `pfiq score -o FOLDER` wrote.

    All shards must exist, each with the rows of all its images. Rows are in the order of the input. Maps stay in the
    folder.
    """
    if output.suffix.lower() not in (*TEXT_FORMATS, ".parquet"):
        raise click.UsageError(f"{output}: has no known suffix; give a .csv, .jsonl or .parquet file.")
    check_pyarrow(folder)
    check_writable([output], [])
    if output.exists() and output.stat().st_size and not force:
        raise OutputError(f"{output}: exists; give --force to replace it, or choose another name.")
    count = bulk.merge(bulk.store_of(folder), output)
    click.echo(f"{count:,} rows -> {click.format_filename(output)}")
