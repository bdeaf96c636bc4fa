"""The measures of evaluations: one record per measure, from which tables, legends and help texts are made."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pfiq_jax.evaluation.estimate import Estimate, cell
from pfiq_jax.tables import markdown_table

MARK = {"higher": "+", "lower": "-", "": ""}
HELP_WIDTH = 76  # columns of a narrow terminal without click's margins
INTERVALS = "In brackets: 95% intervals of a bootstrap over people."
MARKS = "+ marks measures for which higher is better, - those for which lower is better."


class Measure(NamedTuple):
    """A measure of an evaluation.

    Attributes:
        name: its key in JSON and the title of its column.
        better: which values are better; "" for a measure that only serves as a baseline of other measures.
        table: the number of the table that shows it, from 0; table 0 has the main measures of an evaluation.
        meaning: a phrase that describes it.
    """

    name: str
    better: Literal["higher", "lower", ""]
    table: int
    meaning: str

    @property
    def title(self) -> str:
        """The name, with + if higher values are better and - if lower values are."""
        return f"{self.name} {MARK[self.better]}".rstrip()

    @property
    def definition(self) -> str:
        """The meaning, and which values are better."""
        return f"{self.meaning}; {self.better} is better" if self.better else self.meaning


def measure_tables(measures: Sequence[Measure], estimates: Mapping[str, Mapping[str, Estimate]]) -> list[str]:
    """One Markdown table per number of ``Measure.table``, with a column per measure.

    Args:
        measures: in the order of the columns.
        estimates: by row, then by measure; a row without any measure of a table is left out of this table.
    """
    tables = []
    for number in sorted({measure.table for measure in measures}):
        columns = [measure for measure in measures if measure.table == number]
        rows = []
        for row, of_row in estimates.items():
            cells = [cell(of_row[column.name]) if column.name in of_row else "" for column in columns]
            if any(cells):
                rows.append([row, *cells])
        tables.append(markdown_table(["", *(column.title for column in columns)], rows))
    return tables


def legend(measures: Sequence[Measure]) -> str:
    """A Markdown list of the definitions of measures."""
    return "\n".join(f"- {measure.name}: {measure.definition}" for measure in measures)


def help_text(measures: Sequence[Measure]) -> str:
    """The definitions of measures, as a block of a click command's help that is not wrapped again."""
    width = max(len(measure.name) for measure in measures) + 2
    lines = ["\b"]
    for measure in measures:
        lines += textwrap.wrap(
            measure.definition,
            HELP_WIDTH,
            initial_indent=measure.name.ljust(width),
            subsequent_indent=" " * width,
        )
    return "\n".join(lines)
