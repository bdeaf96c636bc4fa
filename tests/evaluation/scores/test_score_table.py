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
    Path(name).write_text(text, errors="surrogateescape")
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


ROWS = "faces/ann/1.png,.5,{}\nfaces/bob/1.png,.25,{}\n"


def test_a_column_of_which_a_cell_is_missing_does_not_disappear():
    for missing in ("NA", "", "nan", "None", "#N/A"):
        with pytest.raises(
            PfiqError, match=r"no finite number for faces/ann/1\.png in column other; score it, or drop"
        ):
            read("path,score,other\n" + ROWS.format(missing, 2))
    found = read("path,score,other\n" + ROWS.format("NA", 2), may_lack=lambda face: True)
    np.testing.assert_array_equal(found["other"], [np.nan, 2])


def test_a_column_that_lacks_a_score_is_left_out_in_words_if_another_is_complete():
    said: list[str] = []
    found = read("path,score,other\n" + ROWS.format("NA", 2), left_out=said.append)
    assert list(found) == ["score"]
    assert said == [
        "tables/scores.csv: column other is left out, since it has no finite number for 1 of 2 faces, such as "
        "faces/ann/1.png."
    ]
    with pytest.raises(PfiqError, match="in column score; score it, or drop the column"):
        read("path,score,other\n" + ROWS.format("NA", 2).replace(".25", ""), left_out=said.append)


def test_a_cell_that_is_no_number_is_named_and_a_column_of_text_is_left_out():
    rows = ROWS.format(2, 3) + "faces/cid/1.png,x.5,x\n"
    with pytest.raises(
        PfiqError, match=r"^tables/scores\.csv, line 4: 'x\.5' is not a number, unlike other cells of column"
    ):
        read("path,score,other\n" + rows)
    assert list(read("path,score,kind\n" + ROWS.format("dark", 1))) == ["score"]


def test_cells_in_messages_are_short_and_on_one_line():
    bad = "\udcc3" * 50 + "\n"
    with pytest.raises(PfiqError, match=r"line 5: '\xc3{40}' is not a number"):
        read("path,score,other\n" + ROWS.format(2, 3) + f'faces/cid/1.png,"{bad}",x\n')


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(PfiqError, match=r"^tables/scores\.csv: has 2 columns `score`; rename all but one\.$"):
        read("path,score,score\n" + ROWS.format(2, 3))


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "level_0", "index", "id"])
def test_the_index_of_pandas_is_no_score(name):
    assert list(read(f"path,score,{name}\n" + ROWS.format(0, 1))) == ["score"]


def test_an_index_that_counts_no_rows_is_a_score():
    assert list(read("path,score,index\n" + ROWS.format(1, 0))) == ["score", "index"]


def test_reads_the_output_of_ofiq():
    """Semicolons, another name of the column of paths, a separator at the end, and -1 for what was not assessed."""
    header = "Filename;UnifiedQualityScore;Sharpness;UnifiedQualityScore.scalar;\n"
    rows = "faces/bob/1.png;12.5;{};47;\nfaces/ann/1.png;0,5;-0.5;12;\n"
    found = read(header + rows.format(3))
    assert {name: values.tolist() for name, values in found.items()} == {
        "UnifiedQualityScore": [0.5, 12.5],
        "Sharpness": [-0.5, 3],
        "UnifiedQualityScore.scalar": [12, 47],
    }
    with pytest.raises(PfiqError, match=r"no finite number for faces/bob/1\.png in column Sharpness"):
        read(header + rows.format(-1))
    assert read("path,score,cosine\n" + ROWS.format(-1, 1))["cosine"].tolist() == [-1, 1]


def test_refuses_a_missing_file():
    with pytest.raises(PfiqError, match=r"none\.csv: cannot be read \(No such file"):
        read_scores(Path("none.csv"), FACES, Path("faces"))
