"""Tables of landmarks and of scores, damaged: each gives numbers for the faces, or one sentence."""

import functools
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfiq_jax import PfiqError
from pfiq_jax.evaluation import read_scores
from pfiq_jax.faces import read_landmarks
from pfiq_jax.faces.landmarks import LANDMARK_COLUMNS
from pfiq_jax.faces.tables import SEPARATORS
from tests.fuzz.fuzzing import Costs, check_sentence, damaged, fuzz

POINTS = ((38, 51, 73, 51, 56, 71, 41, 92, 70.5, 92), (30, 50, 70, 52, 50, 70, 35, 90, 68, 91.25))
FACES = [Path("faces/a.png"), Path("faces/b c.png")]
HEADER = ["path", *LANDMARK_COLUMNS]
ROWS = [[face.name, *map(str, points)] for face, points in zip(FACES, POINTS, strict=True)]


def text(separator: str, header: list[str] = HEADER, rows: list[list[str]] = ROWS, *, end: str = "\n") -> str:
    lines = [separator.join(f'"{cell}"' if separator in cell else cell for cell in line) for line in (header, *rows)]
    return "".join(line + end for line in lines)


CSV_SEEDS = [
    *(text(separator).encode() for separator in SEPARATORS),
    *(text(",").encode(encoding) for encoding in ("utf-8-sig", "utf-16", "utf-16-be", "utf-32")),
    text(",", rows=[["\xe9.png", *ROWS[0][1:]], *ROWS]).encode("latin-1"),
    text(", ", end="\r\n").encode(),
    ("sep=;\r" + text(";", end="\r").replace(".5", ",5")).encode(),
    text(";", ["Filename", "UnifiedQualityScore", *HEADER[1:], ""], [[r[0], "-1", *r[1:], ""] for r in ROWS]).encode(),
    text(",", ["", *HEADER], [["0", "x.png", *["NA"] * 10], ["1", *ROWS[0]], ["2", *ROWS[1]]]).encode(),
]


@functools.cache
def parquet_seeds() -> list[bytes]:
    """The same table with the encodings and types that other programs write."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    kept, columns = [], [list(column) for column in zip(*ROWS, strict=True)]
    numbers = [np.asarray(column, np.float32) for column in columns[1:]]
    plain = pyarrow.table([columns[0], *numbers], names=HEADER)
    categories = pyarrow.table([pyarrow.array(columns[0]).dictionary_encode(), *columns[1:]], names=HEADER)
    for table, options in (
        (plain, {"compression": "none"}),
        (plain, {"compression": "gzip", "use_dictionary": False, "data_page_version": "2.0"}),
        (categories, {"compression": "snappy", "row_group_size": 1}),
    ):
        buffer = io.BytesIO()
        parquet.write_table(table, buffer, **options)
        kept.append(buffer.getvalue())
    return kept


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tables")


def check_table(path: Path) -> None:
    """Reads a table as landmarks and as scores: both give finite numbers for the faces, or landmarks are missing."""
    folder = path.parent
    faces = [folder / face for face in FACES]
    with Costs():
        try:
            landmarks = read_landmarks(path, faces, [folder / "faces"])
        except PfiqError as error:
            check_sentence(error, str(path))
        else:
            assert landmarks.keys() <= set(map(str, faces))
            assert all(np.shape(points) == (5, 2) for points in landmarks.values())
    sentences: list[str] = []
    with Costs():
        try:
            scores = read_scores(path, faces, folder / "faces", left_out=sentences.append)
        except PfiqError as error:
            check_sentence(error, str(path))
        else:
            assert scores
            assert all(values.shape == (2,) and np.isfinite(values).all() for values in scores.values())
    assert all("\n" not in sentence for sentence in sentences)


def check_seed(path: Path) -> None:
    faces = [path.parent / face for face in FACES]
    landmarks = read_landmarks(path, faces, [path.parent / "faces"])
    np.testing.assert_array_equal([np.ravel(landmarks[str(face)]) for face in faces], POINTS)
    scores = read_scores(path, faces, path.parent / "faces", left_out=lambda _: None)
    np.testing.assert_array_equal([scores[name] for name in LANDMARK_COLUMNS], np.transpose(POINTS))


@pytest.mark.parametrize("seed", CSV_SEEDS)
def test_undamaged_tables_are_numbers(folder, seed):
    (folder / "a.csv").write_bytes(seed)
    check_seed(folder / "a.csv")


def test_undamaged_parquet_tables_are_numbers(folder):
    for seed in parquet_seeds():
        (folder / "a.csv").write_bytes(seed)
        check_seed(folder / "a.csv")


@fuzz
@given(damaged(CSV_SEEDS))
def test_damaged_tables_are_numbers_or_a_sentence(folder, content):
    (folder / "a.csv").write_bytes(content)
    check_table(folder / "a.csv")


@fuzz
@given(data=st.data(), suffix=st.sampled_from(("csv", "parquet")))
def test_damaged_parquet_tables_are_numbers_or_a_sentence(folder, data, suffix):
    path = folder / f"a.{suffix}"
    path.write_bytes(data.draw(damaged(parquet_seeds())))
    check_table(path)
