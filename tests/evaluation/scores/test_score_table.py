from pathlib import Path

import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.evaluation.scores.score_table import read_scores

FACES = [Path("faces/ann/1.png"), Path("faces/bob/1.png")]
GOOD = "path,kind,score,other\nfaces/bob/1.png,dark,2,-1e3\nfaces/ann/1.png,clean,1,.5\nelsewhere.png,,,\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tables").mkdir()


def read(text: str, name: str = "tables/scores.csv", **options):
    Path(name).write_text(text)
    return read_scores(Path(name), FACES, Path("faces"), **options)


@pytest.mark.parametrize("base", ["faces/", "../faces/", "", "{}/faces/"])
def test_reads_numeric_columns_in_the_order_of_the_faces(base, tmp_path):
    found = read(GOOD.replace("faces/", base.format(tmp_path)))
    assert list(found) == ["score", "other"]
    np.testing.assert_array_equal(found["score"], [1, 2])
    np.testing.assert_array_equal(found["other"], [0.5, -1000])


def test_reads_parquet():
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    paths = [str(path) for path in FACES]
    parquet.write_table(pyarrow.table({"path": paths, "score": [1.5, 2.5], "kind": ["a", None]}), "scores.parquet")
    found = read_scores(Path("scores.parquet"), FACES, Path("faces"))
    assert list(found) == ["score"]
    np.testing.assert_array_equal(found["score"], [1.5, 2.5])
    Path("scores.parquet").write_text("no table")
    with pytest.raises(PfiqError, match=r"scores\.parquet: is not a Parquet file"):
        read_scores(Path("scores.parquet"), FACES, Path("faces"))


def test_faces_that_need_no_score_may_lack_one():
    found = read("path,score\nfaces/bob/1.png,2\n", may_lack=lambda face: "ann" in face.parts)
    np.testing.assert_array_equal(found["score"], [np.nan, 2])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no column `path`"),
        ("path,score\n", "has a header but no rows"),
        ("file,score\nfaces/ann/1.png,1\n", "has no column `path`"),
        ("path,score\nfaces/ann/1.png,good\n", "has no column of numbers"),
        ("path,score\nfaces/ann/1.png,1\n", "has no row for faces/bob/1.png"),
        ("path,score\nfaces/ann/1.png,1\nfaces/bob/1.png,\n", "no finite number for faces/bob/1.png in column score"),
        (
            "path,score\nfaces/ann/1.png,inf\nfaces/bob/1.png,1\n",
            "no finite number for faces/ann/1.png in column score",
        ),
        ("path,score\nfaces/ann/1.png,1\nann/1.png,2\nfaces/bob/1.png,1\n", "ann/1.png comes twice"),
        ("path,score\nfaces/ann/1.png\n", "line 2: has 1 cells, the header has 2; fix this line"),
    ],
)
def test_refuses(text, reason):
    with pytest.raises(PfiqError, match=rf"tables/scores\.csv.*{reason}"):
        read(text)


def test_refuses_a_missing_file():
    with pytest.raises(PfiqError, match=r"none\.csv: cannot be read \(No such file"):
        read_scores(Path("none.csv"), FACES, Path("faces"))
