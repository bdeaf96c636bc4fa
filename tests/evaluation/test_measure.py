import numpy as np

from pfiq_jax.evaluation import INPAINTING_MEASURES, MAP_MEASURES, MASK_MEASURES, SCORE_MEASURES, Estimate, Measure
from pfiq_jax.evaluation.measure import HELP_WIDTH, help_text, legend, measure_tables

UNDEFINED = Estimate(np.nan, np.nan, np.nan)
MEASURES = (
    Measure("x", "higher", 0, "the x"),
    Measure("other_y", "lower", 0, "the y"),
    Measure("z", "", 1, "the z"),
)


def test_a_table_per_number_without_empty_rows():
    estimates = {"a|b": {"x": Estimate(1.0, 0.5, 1.5), "other_y": UNDEFINED}, "c": {"z": UNDEFINED}}
    first, second = measure_tables(MEASURES, estimates)
    assert first.splitlines() == [
        "|  | x + | other_y - |",
        "|---|---:|---:|",
        "| a\\|b | 1.000 [0.500, 1.500] | undefined |",
    ]
    assert second.splitlines() == ["|  | z |", "|---|---:|", "| c | undefined |"]


def test_a_measure_that_a_row_lacks_is_an_empty_cell():
    (table,) = measure_tables(MEASURES[:2], {"a": {"other_y": UNDEFINED}})
    assert table.splitlines()[2:] == ["| a |  | undefined |"]


def test_legend_and_help_say_which_way_is_better():
    assert legend(MEASURES) == "- x: the x; higher is better\n- other_y: the y; lower is better\n- z: the z"
    assert help_text(MEASURES).splitlines() == [
        "\b",
        "x        the x; higher is better",
        "other_y  the y; lower is better",
        "z        the z",
    ]


def test_help_is_wrapped_beside_the_names():
    _, first, second, *_ = help_text([Measure("name", "higher", 0, "word " * 40)]).splitlines()
    assert first.startswith("name  word")
    assert second.startswith("      word")
    assert max(len(first), len(second)) <= HELP_WIDTH


def test_names_are_unique():
    for measures in (SCORE_MEASURES, MAP_MEASURES, MASK_MEASURES, INPAINTING_MEASURES):
        names = [measure.name for measure in measures]
        assert len(set(names)) == len(names)
