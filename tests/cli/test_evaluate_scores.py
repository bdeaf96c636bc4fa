import functools
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pfiq_jax.faces import DEMO_FACE
from pfiq_jax.quality.methods import DEFAULT_QUALITY_METHOD, QUALITY_METHODS

ON_REQUEST = [name for name, method in QUALITY_METHODS.items() if method.on_request]


def write_people(folder: Path) -> None:
    """Four "people", each the demo face mirrored or turned, as it is and more and more blurred."""
    with Image.open(DEMO_FACE) as image:
        face = image.convert("RGB")
    turns = [None, *(Image.Transpose[name] for name in ("FLIP_LEFT_RIGHT", "FLIP_TOP_BOTTOM", "ROTATE_90"))]
    for index, turn in enumerate(turns):
        (folder / f"person {index}").mkdir(parents=True)
        for radius in range(3):
            person = face if turn is None else face.transpose(turn)
            person.filter(ImageFilter.GaussianBlur(4 * radius)).save(folder / f"person {index}" / f"{radius}.png")


@pytest.fixture
def evaluate(run):
    return functools.partial(run, "evaluate", "scores")


@pytest.mark.slow
def test_all_methods_and_others_scores(evaluate):
    write_people(Path("faces"))
    rows = [f"{path.relative_to('faces')},{path.stem},blurred" for path in Path("faces").rglob("*.png")]
    Path("other.csv").write_text("\n".join(["path,blur,kind", *rows]))
    result = evaluate("faces", "--scores", "other.csv", "-o", "out/here")
    assert sorted(os.listdir("out/here")) == ["scores.json", "scores.md", "scores.png"]
    assert "Left out, since this recogniser does not support them: cr_fiqa, learned." in result.stderr
    assert "non-mated pairs are few for a false match rate of 0.001" in result.stderr
    assert result.stdout == Path("out/here/scores.md").read_text()
    assert "12 faces of 4 people: 12 mated and 54 non-mated pairs" in result.stdout

    report = json.loads(Path("out/here/scores.json").read_text())
    assert report.keys() == {"default", "methods"}
    assert report["default"] == DEFAULT_QUALITY_METHOD
    assert report["methods"].keys() == {*QUALITY_METHODS, "random", "blur"} - {"cr_fiqa", "learned", *ON_REQUEST}
    assert f"Left out unless named by --quality: {', '.join(ON_REQUEST)}." in result.stderr
    for figures in report["methods"].values():
        assert figures.keys() == {"pauc", "fnmr", "rce"}
        for values in figures.values():
            assert values.keys() == {"value", "low", "high"}
    with Image.open("out/here/scores.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.slow
def test_the_same_figures_again_and_json_on_stdout(evaluate):
    write_people(Path("faces"))
    first, again = (evaluate("faces", "--quality", "magface", "--quality", "random", "--json", "-") for _ in range(2))
    assert first.stdout == again.stdout
    assert list(json.loads(first.stdout)["methods"]) == ["magface", "random"]
    assert "| magface |" in first.stderr
    assert sorted(os.listdir()) == ["faces", "scores.md", "scores.png"]


def test_bad_files_are_listed_and_the_others_evaluated(evaluate):
    write_people(Path("faces"))
    Path("faces/person 1/bad.png").write_bytes(b"no image")
    Path("faces/person 5").mkdir()
    Path("faces/person 5/empty.png").touch()
    Path("faces/beside.png").write_bytes(DEMO_FACE.read_bytes())
    with Image.open("faces/person 0/0.png") as face:
        face.resize((120, 120)).save("faces/person 0/0.png")
    rows = [f"{path},1" for path in Path("faces").rglob("?.png")]  # none for those that cannot be read
    Path("other.csv").write_text("\n".join(["path,score", *rows]))
    result = evaluate("faces", "--quality", "random", "--scores", "other.csv", "--json", "figures.json", exit_code=1)
    assert "1 faces lie in no person's folder" in result.stderr
    assert "bad.png: is damaged" in result.stderr
    assert "empty.png: is empty" in result.stderr
    assert "2 of 14 files were left out." in result.stderr
    assert "1 face found and aligned in 1 photograph." in result.stderr  # of another size
    assert "12 faces of 4 people" in result.stdout
    assert list(json.loads(Path("figures.json").read_text())["methods"]) == ["random", "score"]
    assert {"figures.json", "figures.md", "figures.png"} <= set(os.listdir())


def test_too_few_people_or_faces_in_one_sentence(evaluate):
    write_people(Path("faces"))
    Path("one").mkdir()
    os.rename("faces/person 0", "one/person 0")
    Path("one/person 0/bad.png").touch()
    result = evaluate("one", "--quality", "random", exit_code=1)
    assert "Error: one: there are fewer than two people; give faces of more people." in result.stderr
    assert "bad.png: is empty" in result.stderr
    for person in Path("faces").iterdir():
        for face in list(person.iterdir())[1:]:
            face.unlink()
    assert "faces: no person has two faces" in evaluate("faces", "--quality", "random", exit_code=1).stderr


def test_a_method_asked_for_that_the_recogniser_cannot_do(evaluate):
    write_people(Path("faces"))
    assert "has no quality head" in evaluate("faces", "--quality", "cr_fiqa", exit_code=1).stderr


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ("path,random\n{},1", "column random has the name of a method"),
        ("path,mine\nperson 0/0.png,1", "other.csv: has no row for faces/person"),
    ],
)
def test_refuses_tables_before_the_work(evaluate, columns, reason):
    write_people(Path("faces"))
    paths = ",1\n".join(str(path) for path in Path("faces").rglob("*.png"))
    Path("other.csv").write_text(columns.format(paths))
    assert reason in evaluate("faces", "--quality", "random", "--scores", "other.csv", exit_code=1).stderr


def test_refuses_what_is_not_a_folder_of_folders(evaluate):
    assert "none: is not a folder" in evaluate("none", exit_code=1).stderr
    Path("empty").mkdir()
    assert "empty: contains no images" in evaluate("empty", exit_code=1).stderr
    Path("flat").mkdir()
    Path("flat/loose.png").write_bytes(DEMO_FACE.read_bytes())
    assert "flat: contains no folders with faces" in evaluate("flat", exit_code=1).stderr
    write_people(Path("faces"))
    assert "is an input" in evaluate("faces", "--scores", "x.json", "--json", "x.json", exit_code=3).stderr
    assert "has the name of the report's picture" in evaluate("faces", "--json", "x.png", exit_code=3).stderr


def test_finds_out_first_that_matplotlib_is_missing(evaluate, monkeypatch):
    monkeypatch.setattr("pfiq_jax.cli.start.load_recognizer", lambda _: pytest.fail("computed first"))
    write_people(Path("faces"))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install 'pfiq-jax[plot]'" in evaluate("faces", "--quality", "random", exit_code=1).stderr
    assert os.listdir() == ["faces"]


def test_names_and_tables_that_are_not_utf_8(evaluate):
    """A folder with byte 0xE9, and a table in Latin-1 whose columns have umlauts and line breaks."""
    folder = Path("f\udce9ces")
    write_people(folder)
    rows = [b"%b;%d,5;%d" % (os.fsencode(path), index, index % 7) for index, path in enumerate(folder.rglob("*.png"))]
    Path("other.csv").write_bytes(b"\n".join(['path;größe;"zwei\nZeilen"'.encode("latin-1"), *rows]))
    result = evaluate(folder, "--quality", "random", "--scores", "other.csv")
    assert json.loads(Path("scores.json").read_text())["methods"].keys() == {"random", "größe", "zwei Zeilen"}
    assert "| zwei Zeilen | " in Path("scores.md").read_text()
    assert "| größe | " in result.stdout
    assert Path("scores.png").exists()
    stderr = evaluate(folder / "person 0", "--quality", "random", exit_code=1).stderr
    assert stderr.startswith("Error: f\\udce9ces/person 0: contains no folders")


def test_degraded_faces_of_real_people(evaluate, data, recognizer):
    """The magnitude and the closed form on a tenth of the people, by the subcommand and by hand."""
    folder = data / "lfw_dev_degraded"
    people = sorted(path for path in folder.iterdir() if path.is_dir())[::10]
    for person in people:
        os.makedirs(f"faces/{person.name}")
        for face in person.iterdir():
            os.symlink(face, f"faces/{person.name}/{face.name}")
    evaluate("faces", "--quality", "ser_fiq_closed_form", "--quality", "random")
    report = json.loads(Path("scores.json").read_text())["methods"]
    assert report["ser_fiq_closed_form"]["pauc"]["value"] < 0.9 < report["random"]["pauc"]["value"]
    assert np.isfinite([each for figure in report["ser_fiq_closed_form"].values() for each in figure.values()]).all()
