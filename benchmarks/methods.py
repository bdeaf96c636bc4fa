"""Tables of all quality methods, pixel maps and activation maps, from their records.

python -m benchmarks.methods [-o benchmarks/results/methods.md]
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pfiq_jax import ACTIVATION_METHODS, MAP_METHODS, QUALITY_METHODS
from pfiq_jax.methods import Method
from pfiq_jax.quality import QualityMethod
from pfiq_jax.tables import markdown_table


def methods_table(title: str, methods: Mapping[str, Method[Any]]) -> str:
    """One row per method."""
    rows = [
        (f"`{name}`: {method.summary}", method.cost, "yes" if method.differentiable else "no", *evaluated(method))
        for name, method in methods.items()
    ]
    header = ["method", "passes", "differentiable", "in evaluations"][: len(rows[0])]
    return f"### {title}\n\n" + markdown_table(header, rows) + "\n"


def evaluated(method: Method[Any]) -> tuple[str, ...]:
    """Whether ``pfiq evaluate scores`` includes a quality method without being asked; nothing for a map."""
    return ("on request" if method.on_request else "yes",) if isinstance(method, QualityMethod) else ()


def all_tables() -> str:
    """The tables of the three kinds of methods."""
    kinds = {
        "Quality methods (`--quality`)": QUALITY_METHODS,
        "Pixel maps (`--map`)": MAP_METHODS,
        "Activation maps (`--activation`)": ACTIVATION_METHODS,
    }
    return "\n".join(methods_table(title, methods) for title, methods in kinds.items())


@click.command(help=__doc__.split("\n")[0])
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(output: Path | None) -> None:
    text = all_tables()
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
