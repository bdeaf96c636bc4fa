"""One table with the findings of several studies of activation maps.

    python -m benchmarks.activation_findings benchmarks/results/activations_mean.json ... -o FILE

The files are the ``report.json`` files of ``pfiq activations``. Their names here state the set of faces.
"""

import json
from pathlib import Path

import click

from pfiq_jax.tables import markdown_table

HEADER = ["faces", "activation map", "faces per set", "standard deviation outside the central face, low quality"]
HEADER += ["high quality", "p", "rank correlation of a face's deviation and its score", "p"]


def row(path: Path) -> list[str]:
    """The row of a study."""
    report = json.loads(path.read_text())
    found = report["figures"]
    return [
        "`lfw_dev_degraded`" if path.stem.endswith("degraded") else "`lfw_dev`",
        f"`{report['activations']}`",
        str(report["faces"]["low"]),
        f"{found['std_outside_low']:.3f}",
        f"{found['std_outside_high']:.3f}",
        f"{found['std_outside_p_value']:.2g}",
        f"{found['deviation_correlation']:.2f}",
        f"{found['deviation_p_value']:.2g}",
    ]


@click.command(help=__doc__.split("\n")[0])
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(files: tuple[Path, ...], output: Path | None) -> None:
    text = markdown_table(HEADER, [row(path) for path in files]) + "\n"
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
