"""Tables of all quality methods, pixel maps and activation maps, from their records.

python -m benchmarks.methods [-o benchmarks/results/methods.md]
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pfiq_jax import ACTIVATION_METHODS, MAP_METHODS, QUALITY_METHODS
from pfiq_jax.methods import Method
from pfiq_jax.tables import markdown_table


def methods_table(title: str, methods: Mapping[str, Method[Any]]) -> str:
    """One row per method. Quality methods have one more column: whether ``pfiq evaluate scores`` includes them."""
    columns = {
        "method": [f"`{name}`: {method.summary}" for name, method in methods.items()],
        "passes": [method.cost for method in methods.values()],
        "differentiable": ["yes" if method.differentiable else "no" for method in methods.values()],
    }
    if methods is QUALITY_METHODS:
        columns["in evaluations"] = ["on request" if each.on_request else "yes" for each in QUALITY_METHODS.values()]
    return f"### {title}\n\n" + markdown_table([*columns], [*zip(*columns.values(), strict=True)]) + "\n"


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
