import datetime
import sys
from pathlib import Path

import pytest

from pfiq_jax import PfiqError
from pfiq_jax.faces.tables import read_table

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["a.PQ", "a.parquet", "a.csv"])
def test_reads_parquet_as_text_by_its_name_or_its_content(name):
    parquet.write_table(pyarrow.table({"path": ["a", "b"], "x": [1.5, None], "y.z": [1, 2]}), name)
    table = read_table(Path(name), "scores")
    assert table.columns == {"path": ["a", "b"], "x": ["1.5", ""], "y.z": ["1", "2"]}
    assert table.place(1) == f"{name}, row 2"


def test_columns_that_nobody_asked_for_are_not_read():
    """Timestamps in nanoseconds, durations, structures, and text that is not UTF-8."""
    broken = pyarrow.array([b"\xe9", b"b"]).view(pyarrow.string())
    columns = {
        "path": pyarrow.array(["a", "b"]).dictionary_encode(),
        "taken": pyarrow.array([1, 2], pyarrow.timestamp("ns")),
        "took": pyarrow.array([1, 2], pyarrow.duration("ns")),
        "day": [datetime.date(2020, 1, 1)] * 2,
        "box": [{"x": 1}, {"x": 2}],
        "note": broken,
        "good": [True, False],
        "x": pyarrow.array([1, 2], pyarrow.float32()),
        "__index_level_0__": [0, 1],
    }
    parquet.write_table(pyarrow.table(columns), "a.parquet")
    assert read_table(Path("a.parquet"), "scores").columns == {
        "path": ["a", "b"],
        "note": ["\udce9", "b"],
        "x": ["1.0", "2.0"],
    }
    assert list(read_table(Path("a.parquet"), "scores", wanted=lambda name: name == "x").columns) == ["path", "x"]


def test_two_columns_of_one_name_are_refused():
    parquet.write_table(pyarrow.table([["a"], [1], [2]], ["path", "x", "x"]), "a.parquet")
    with pytest.raises(PfiqError, match=r"^a\.parquet: has 2 columns `x`; rename all but one\.$"):
        read_table(Path("a.parquet"), "scores")


@pytest.mark.parametrize(
    "damage", [lambda _: b"no table", lambda good: good[:-100], lambda good: good[:40] + good[60:]]
)
def test_parquet_that_is_something_else_or_damaged(damage, monkeypatch):
    parquet.write_table(pyarrow.table({"path": ["a", "b"], "x": [1.5, None]}), "a.parquet")
    Path("a.parquet").write_bytes(damage(Path("a.parquet").read_bytes()))
    with pytest.raises(PfiqError, match=r"^a\.parquet: is not a Parquet file; give a CSV or Parquet file\.$"):
        read_table(Path("a.parquet"), "scores")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PfiqError, match=r"need pyarrow; install it with `pip install 'pfiq-jax\[parquet\]'`"):
        read_table(Path("a.parquet"), "scores")
