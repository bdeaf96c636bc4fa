import sys
from pathlib import Path

import pytest

from pfiq_jax import PfiqError
from pfiq_jax.faces.tables import read_table


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_reads_csv_with_a_byte_order_mark_quotes_and_empty_lines():
    Path("a.csv").write_bytes(b'\xef\xbb\xbfpath,x\n"a, b\nc.png",1\n\n\xff.png,\n')
    table = read_table(Path("a.csv"), "scores")
    assert table.columns == ["path", "x"]
    assert [row.cells for row in table.rows] == [{"path": "a, b\nc.png", "x": "1"}, {"path": "\udcff.png", "x": ""}]
    assert [row.place for row in table.rows] == ["a.csv, line 3", "a.csv, line 5"]


def test_reads_parquet_as_text():
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"path": ["a", "b"], "x": [1.5, None]}), "a.PQ")
    table = read_table(Path("a.PQ"), "scores")
    assert table.columns == ["path", "x"]
    assert table.rows[0] == ("a.PQ, row 1", {"path": "a", "x": "1.5"})
    assert table.rows[1].cells == {"path": "b", "x": ""}


def test_a_table_without_rows_has_columns():
    Path("a.csv").write_text("path,x\n")
    assert read_table(Path("a.csv"), "scores") == (["path", "x"], [])
    Path("a.csv").touch()
    Path("a.csv").write_text("")
    assert read_table(Path("a.csv"), "scores") == ([], [])


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"path,x\na,1\nb,1,2\n", r"^a\.csv, line 3: has 3 cells, the header has 2; fix this line\.$"),
        (b"path,x\na\n", r"^a\.csv, line 2: has 1 cells, the header has 2; fix this line\.$"),
        (b"path\n" + b"a" * 200_000, r"^a\.csv: is not a CSV file \(.*\); give a CSV or Parquet file of landmarks\.$"),
    ],
)
def test_names_the_line_that_is_wrong(contents, message):
    Path("a.csv").write_bytes(contents)
    with pytest.raises(PfiqError, match=message):
        read_table(Path("a.csv"), "landmarks")


@pytest.mark.parametrize("name", ["none.csv", "none.parquet"])
def test_a_missing_file(name):
    if name == "none.parquet":
        pytest.importorskip("pyarrow")
    with pytest.raises(PfiqError, match=rf"^{name}: cannot be read .*; give a CSV or Parquet file of landmarks\.$"):
        read_table(Path(name), "landmarks")


def test_parquet_that_is_something_else(monkeypatch):
    pytest.importorskip("pyarrow")
    Path("a.parquet").write_text("no table")
    with pytest.raises(PfiqError, match=r"^a\.parquet: is not a Parquet file; give a CSV or Parquet file\.$"):
        read_table(Path("a.parquet"), "scores")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PfiqError, match=r"need pyarrow; `pip install pfiq-jax\[parquet\]`"):
        read_table(Path("a.parquet"), "scores")
