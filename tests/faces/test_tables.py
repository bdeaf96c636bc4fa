from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pfiq_jax import PfiqError
from pfiq_jax.faces.tables import SEPARATORS, numbers_in, read_table, rows_of_files

FACES = [Path("faces/ann/1.png"), Path("faces/bob/1.png")]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(content: str | bytes, name: str = "a.csv", **options):
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))
    return read_table(Path(name), "scores", **options)


def test_reads_csv_with_a_byte_order_mark_quotes_and_empty_lines():
    table = read(b'\xef\xbb\xbfpath,x\n"a, b\nc.png",1\n\n\xff.png,\n')
    assert table.columns == {"path": ["a, b\nc.png", "\udcff.png"], "x": ["1", ""]}
    assert [table.place(row) for row in (0, 1)] == ["a.csv, line 3", "a.csv, line 5"]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_the_separator_is_the_one_that_gives_a_column_of_paths(separator):
    table = read(f"path{separator}x{separator}y\na.png{separator}1{separator}2\n")
    assert table.columns == {"path": ["a.png"], "x": ["1"], "y": ["2"]}
    assert table.separator == separator
    mixed = separator if separator not in ", " else ";"
    assert list(read(f"path{mixed}a, b and c\n1.png{mixed}2\n").columns) == ["path", "a, b and c"]


@pytest.mark.parametrize(
    "text",
    [
        "path, x, y\na.png, 1, 2\n",
        'path, x, y\n"a.png", "1", 2\n',
        "PATH,X,Y\na.png,1,2\n",
        " Path ,x , y\na.png,1,2\n",
        "FileName;X;Y;\na.png;1;2;\n",
        "Filename;X;Y;\na.png;1;2\n",
        "Filename;X;Y\na.png;1;2;\n",
        "sep=;\npath;x;y\na.png;1;2\n",
        'SEP=;\r\n"path";"x";"y"\r\n"a.png";1;2\r\n',
        '"sep=\t"\npath\tx\ty\na.png\t1\t2\n',
        "sep=\r\npath;x;y\r\na.png;1;2\r\n",  # of which Python 3.13 took the line break for the separator
        'sep="\npath;x;y\na.png;1;2\n',
        ",path,x,y\n0,a.png,1,2\n",
        "Unnamed: 0,path,x,y\n0,a.png,1,2\n",
        "path,x,y\ra.png,1,2\r",
        "\npath,x,y\n,,\na.png,1,2\n , ,\n",
        '"pa\nth",path,x,y\n,a.png,1,2\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_headers_and_encodings_of_other_programs(text, encoding):
    """Of spreadsheets, pandas, R and OFIQ."""
    table = read(text.encode(encoding))
    assert table.column("path", "filename") == ["a.png"]
    assert table.column("x") == ["1"]
    assert table.column("Y") == ["2"]
    assert not {"", "Unnamed: 0"} & table.columns.keys()


def test_a_table_without_rows_has_columns():
    assert read("path,x\n").columns == {"path": [], "x": []}
    assert read("").columns == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,x\na,1\nb,1,2\n", r"^a\.csv, line 3: has 3 cells, the header has 2; fix this line\.$"),
        (b"sep=,\npath,x\na\n", r"^a\.csv, line 3: has 1 cells, the header has 2; fix this line\.$"),
        (b"path\n" + b"a" * 200_000, r"^a\.csv, line 2: is not CSV \(.*\); fix this line\.$"),
        (b'path,x\na,1\n"b,2\nc,3\n', r"^a\.csv, line 4: is not CSV \(.*\); fix this line\.$"),
        (b"path,x,x\na,1,2\n", r"^a\.csv: has 2 columns `x`; rename all but one\.$"),
        (b"path,path\na,1\n", r"^a\.csv: has 2 columns `path`; rename all but one\.$"),
        (b"PK\3\4" + bytes(range(100)) * 20, r"^a\.csv: is not a text file; save the scores as CSV or Parquet\.$"),
        (bytes(1000), r"^a\.csv: is not a text file; save the scores as CSV or Parquet\.$"),
    ],
)
def test_names_the_line_or_the_column_that_is_wrong(content, message):
    with pytest.raises(PfiqError, match=message):
        read(content)


def test_columns_that_nobody_asked_for_may_have_any_name():
    table = read("path,note,note,x\na,1,2,3\n", wanted=lambda name: name == "x")
    assert table.columns == {"path": ["a"], "x": ["3"]}


def test_a_missing_column_is_named_with_what_was_found():
    table = read("image;x\na;1\n")
    with pytest.raises(PfiqError, match=r"^a\.csv: has no column `path`; .* has image, x \(separated by semicolons\)"):
        table.column("path", "filename")
    with pytest.raises(PfiqError, match="has the columns Path and path; keep one"):
        read("Path,path\na,1\n").column("path")
    with pytest.raises(PfiqError) as caught:
        read(",".join(f"column {number}" for number in range(500))).column("path")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["none.csv", "none.parquet"])
def test_a_missing_file(name):
    with pytest.raises(PfiqError, match=rf"^{name}: cannot be read .*; give a CSV or Parquet file of landmarks\.$"):
        read_table(Path(name), "landmarks")


def test_numbers_and_what_stands_for_a_missing_one():
    assert numbers_in([" 1 ", "-2e3", "+.5", "inf"]) == [1, -2000, 0.5, np.inf]
    assert np.isnan(numbers_in(["", " ", "NA", "nan", "NaN", "N/A", "null", "None", "<NA>", "#N/A"])).all()
    assert numbers_in(["x", "1,5", "1_000", "1.5.2", "True"]) == [None] * 5
    assert numbers_in(["1,5", "-0,25", "2.5", "1.000,5"], decimal_comma=True) == [1.5, -0.25, 2.5, None]


@pytest.mark.parametrize(
    "names",
    [
        ["faces/ann/1.png", "./faces/x/../bob/1.png"],
        ["ann/1.png", "bob/1.png"],
        ["../faces/ann/1.png", "../faces/bob/1.png"],
        ["{}/faces/ann/1.png", "bob/1.png"],
        ["faces\\ann\\1.png", "faces\\bob\\1.png "],
    ],
    ids=["here", "folder", "table", "absolute", "another system"],
)
def test_paths_count_from_here_from_the_table_or_from_the_folder(names, tmp_path):
    Path("tables").mkdir()
    here, there = (name.format(tmp_path) for name in names)
    table = read(f"path;x\n{there};2\nelsewhere.png;3\n{here};1\n", "tables/a.csv")
    rows = rows_of_files(table, FACES, (Path(), Path("tables"), Path("faces")))
    assert rows == {str(tmp_path / FACES[0]): 2, str(tmp_path / FACES[1]): 0}


def test_a_path_that_means_two_files_counts_from_where_most_are(tmp_path):
    """The folder has a file of the same name as the current one."""
    files = [Path("1.png"), Path("faces/1.png"), Path("faces/2.png")]
    table = read("path\n1.png\nfaces/1.png\nfaces/2.png\n")
    rows = rows_of_files(table, files, (Path("faces"), Path()))
    assert rows == {str(tmp_path / file): row for row, file in enumerate(files)}
    rows = rows_of_files(read("path\n1.png\n2.png\n"), files, (Path(), Path("faces")))
    assert rows == {str(tmp_path / file): row for row, file in enumerate(files[1:])}


def test_paths_in_latin_1_and_in_bytes_that_are_no_text(tmp_path):
    table = read("path,größe\n".encode("latin-1") + b"caf\xe9.png,1\n")
    assert list(table.columns) == ["path", "größe"]
    for name in ("café.png", "caf\udce9.png"):
        assert rows_of_files(table, [Path(name)], [Path()]) == {str(tmp_path / name): 0}


SEEDS = (
    b'path,x,"y\nz"\nfaces/ann/1.png,1,2\n"faces/bob/1.png",NA,-3e5\n',
    "sep=;\r\nFilename;UnifiedQualityScore;\r\nann/1.png;0,5;\r\n".encode("utf-16"),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.sampled_from(SEEDS), changes=st.lists(st.tuples(st.integers(0, 120), st.binary(max_size=4)), max_size=8))
def test_any_bytes_are_a_table_or_an_error_of_one_sentence(seed, changes):
    content = bytearray(seed)
    for place, change in changes:
        content[place : place + 2] = change
    message = ""
    try:
        table = read(bytes(content))
        rows_of_files(table, FACES, [Path(), Path("faces")])
        for cells in table.columns.values():
            assert len(cells) == len(table.lines) == len(numbers_in(cells, table.decimal_comma))
    except PfiqError as error:
        message = str(error)
    assert len(message) < 300
    assert not message or "; " in message


@pytest.mark.parametrize("text", ["path,{0},{0}\na,1,2\n", "path,x\n{0},1\n{0},2\n"])
def test_long_names_are_shortened_in_messages(text):
    name = "n" * 10_000
    with pytest.raises(PfiqError, match=r"nnn") as caught:
        rows_of_files(read(text.format(name)), [Path(name)], [Path()])
    assert len(str(caught.value)) < 300


def test_a_row_without_a_path_and_one_that_comes_twice():
    with pytest.raises(PfiqError, match=r"^a\.csv, line 3: has no path; fill it in, or remove the row\.$"):
        rows_of_files(read("path,x\na,1\n,2\n"), FACES, [Path()])
    with pytest.raises(PfiqError, match=r"^a\.csv, line 3: faces/\./ann/1\.png comes twice; keep one row per image\.$"):
        rows_of_files(read("path\nfaces/ann/1.png\nfaces/./ann/1.png\n"), FACES, [Path()])
