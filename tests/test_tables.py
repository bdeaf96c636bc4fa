import csv
import io

import pytest

from pfiq_jax.tables import csv_text, markdown_table


def test_first_column_is_left_aligned_and_all_others_right():
    assert markdown_table(["", "a", "b"], [["x", "1", ""], ["y", "", "2"]]).splitlines() == [
        "|  | a | b |",
        "|---|---:|---:|",
        "| x | 1 |  |",
        "| y |  | 2 |",
    ]


def test_names_from_files_do_not_break_the_table():
    table = markdown_table(["name", "a|b"], [["two\nlines\r\nand | more", "1"]])
    assert table.splitlines() == ["| name | a\\|b |", "|---|---:|", "| two lines and \\| more | 1 |"]


def test_a_row_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="has 1 cells, the header has 2"):
        markdown_table(["a", "b"], [["x"]])


def test_a_row_of_csv_is_one_row_whatever_its_cells_contain():
    rows = [["a\rb.png", "1"], ["a\nb.png", "2"], ['a\r\nb, "c".png', ""], ["\udce9", "é"]]
    text = csv_text(rows)
    assert text.startswith('"a\rb.png",1\n')
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows
    assert csv_text([("a", 1.5), ("b", None)]) == "a,1.5\nb,\n"
