"""``--landmarks`` of ``pfiq score`` and ``pfiq explain``."""

import csv
import io
import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from pfiq_jax import face_quality
from pfiq_jax.faces import LANDMARK_COLUMNS, align, demo_face
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE

scaled_score = jax.jit(face_quality)
POINTS = ",".join(str(number) for point in ARCFACE_TEMPLATE for number in point)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_aligns_by_landmarks(run, recognizer):
    photo = np.zeros((300, 300, 3), np.uint8)
    photo[60:284:2, 40:264:2] = photo[61:285:2, 40:264:2] = photo[60:284:2, 41:265:2] = photo[61:285:2, 41:265:2] = (
        demo_face()
    )
    Path("photos").mkdir()
    Image.fromarray(photo).save("photos/photo.png")
    points = np.array(ARCFACE_TEMPLATE) * 2 + (40.5, 60.5)
    numbers = ",".join(f"{number:.3f}" for number in points.ravel())
    wanted = float(scaled_score(recognizer, align(photo, points)))

    Path("here.csv").write_text(f"path,{','.join(LANDMARK_COLUMNS)}\nphotos/photo.png,{numbers}\n")
    Path("photos/there.csv").write_text(f"path,note,{','.join(LANDMARK_COLUMNS)}\nphoto.png,x,{numbers}\n")
    for landmarks in (numbers, "here.csv", "photos/there.csv"):
        result = run("explain", "photos/photo.png", "--json", "-", "--landmarks", landmarks)
        assert json.loads(result.stdout)[0]["quality"] == pytest.approx(wanted, abs=1e-3)
        assert "resized" not in result.stderr
    for landmarks in ("here.csv", "photos/there.csv"):
        result = run("score", "photos", "--landmarks", landmarks)
        assert float(rows(result.stdout)[0]["quality"]) == pytest.approx(wanted, abs=1e-3)


HEADER = f"path,{','.join(LANDMARK_COLUMNS)}\n"


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (None, "landmarks.csv: cannot be read"),
        ("", "lacks the columns path, x1"),
        ("path,x1,y1\n", "lacks the columns x2, y2"),
        (HEADER, "a.png: has no landmarks; add a row"),
        (f"{HEADER}photos/a.png,1,2,3\n", "line 2: has 4 cells, the header has 11; fix this line"),
        (f"{HEADER}photos/a.png,{POINTS},1\n", "line 2: has 12 cells, the header has 11; fix this line"),
        (f"{HEADER}photos/a.png,{','.join('x' * 10)}\n", "line 2: x,x,x,x,x,x,x,x,x,x is not ten numbers; give x1"),
        (f"{HEADER}photos/a.png,{','.join(['nan'] * 10)}\n", "a.png: landmarks"),
        (f"{HEADER}photos/a.png,{POINTS}\nphotos/a.png,{POINTS}\n", "line 3: photos/a.png comes twice"),
    ],
)
@pytest.mark.parametrize("command", ["explain", "score"])
def test_bad_landmark_files(run, photos, command, table, complaint):
    if table is not None:
        Path("landmarks.csv").write_text(table)
    result = run(command, photos[0], "--landmarks", "landmarks.csv", exit_code=1)
    assert "Error: " in result.stderr
    assert complaint in result.stderr


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (HEADER, POINTS),
        (HEADER.upper().replace(",", ";"), POINTS.replace(",", ";").replace(".", ",")),
        (HEADER.replace(",", "\t"), POINTS.replace(",", "\t")),
        (HEADER.replace(",", ", "), POINTS.replace(",", ", ")),
    ],
    ids=["commas", "semicolons and decimal commas", "tabs", "commas and spaces"],
)
@pytest.mark.parametrize("folder", ["", "photos/"])
def test_tables_of_other_programs(run, photos, header, row, folder):
    """Paths may count from the scored folder; a row without numbers, where no face was detected, is that file's row."""
    separator = header[len("path")]
    lines = [f"{folder}{name}{separator}{row}\n" for name in "abcde"]
    lines = [line.replace(separator, f".png{separator}", 1) for line in lines]
    lines.append(f"{folder}f.png{separator}{re.sub(f'[^{separator} ]+', '', row)}\n")
    Path("tables").mkdir()
    Path("tables/points.csv").write_text(header + "".join(lines), "utf-16")
    result = run("score", "photos", "--landmarks", "tables/points.csv", exit_code=1)
    table = rows(result.stdout)
    assert [row["error"] for row in table[:5]] == [""] * 5
    assert table[5]["error"].startswith("photos/f.png: landmarks are missing or not finite; give five")
    plain = rows(run("score", *photos[:5]).stdout)
    assert [float(row["quality"]) for row in table[:5]] == pytest.approx(
        [float(row["quality"]) for row in plain], abs=1e-3
    )


@pytest.mark.parametrize("numbers", ["1,2,3", f"{POINTS},1", POINTS.replace("9", "x")])
def test_bad_landmark_numbers(run, photos, numbers):
    stderr = run("explain", photos[0], "--landmarks", numbers, exit_code=1).stderr
    assert stderr.startswith(f"Error: --landmarks: {numbers} is not ten numbers; give x1,y1,")


def test_landmark_numbers_are_of_one_image(run, photos):
    assert "has the points of one image" in run("explain", *photos[:2], "--landmarks", POINTS, exit_code=2).stderr
