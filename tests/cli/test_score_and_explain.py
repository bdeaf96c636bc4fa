import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import pfiq_jax
from pfiq_jax import Preprocessing, Recognizer, cli, face_quality, pixel_quality, relative_norm, scoring
from pfiq_jax.cli.shared import MEANING
from pfiq_jax.faces import LANDMARK_COLUMNS, Face, read_face, read_image
from pfiq_jax.faces.alignment import align
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE

DEMO = Path(pfiq_jax.__file__).parent / "bundled/demo_face.png"
scaled_score = jax.jit(face_quality)
raw_score = jax.jit(relative_norm)
POINTS = ",".join(str(number) for point in ARCFACE_TEMPLATE for number in point)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """An empty folder to run in."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def photos():
    """Six faces: the demo face, more and more of it grey."""
    face = np.asarray(Image.open(DEMO).convert("RGB"))
    names = [f"photos/{name}.png" for name in "abcdef"]
    Path("photos").mkdir()
    for index, name in enumerate(names):
        image = face.copy()
        image[: 18 * index] = 128
        Image.fromarray(image).save(name)
    return names


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(cli.main, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# --- explain


def test_explain_without_image_explains_the_demo_face():
    result = run("explain")
    assert "bundled demo face" in result.stderr and MEANING in result.stderr
    assert "demo_face.png: quality 0." in result.stdout and "higher is better" in result.stdout
    with Image.open("demo_face_quality.png") as picture:
        assert picture.format == "PNG" and picture.width > 1000
    assert os.listdir() == ["demo_face_quality.png"]


def test_explain_writes_what_the_library_returns(photos, recognizer):
    run("explain", *photos[:2], "-o", "out", "--json", "scores.json", "--npz", "arrays")
    assert sorted(os.listdir("out")) == ["a_quality.png", "b_quality.png"]
    for record, name in zip(json.loads(Path("scores.json").read_text()), photos, strict=False):
        image = read_image(name)
        wanted = jax.jit(pixel_quality)(recognizer, image)
        with np.load(f"arrays/{Path(name).stem}_quality.npz") as arrays:
            np.testing.assert_array_equal(arrays["image"], image)
            for key in ("quality", "gradient", "map"):
                np.testing.assert_allclose(arrays[key], getattr(wanted, key), rtol=1e-4, atol=1e-6)
        raw_quality = raw_score(recognizer, image)
        assert record == {
            "path": name,
            "quality": pytest.approx(float(wanted.quality), abs=1e-5),
            "raw_quality": pytest.approx(float(raw_quality), rel=1e-5),
            "mean_pixel_quality": pytest.approx(float(wanted.map.mean()), abs=1e-5),
            "picture": f"out/{Path(name).stem}_quality.png",
            "recognizer": "bundled",
        }


def test_explain_to_named_files(photos):
    run("explain", photos[0], "-o", "picture.png", "--npz", "arrays.npz")
    assert sorted(os.listdir()) == ["arrays.npz", "photos", "picture.png"]
    assert "is one file, but there are 2 images" in run("explain", *photos[:2], "-o", "x.png", exit_code=2).stderr


@pytest.mark.parametrize("option", ["-o", "--npz"])
@pytest.mark.parametrize(("name", "reason"), [("-", "- is stdout, which takes no"), ("out/x.jpg", "x.jpg is no .")])
def test_explain_makes_no_folder_of_what_was_meant_as_a_file(option, name, reason):
    assert reason in run("explain", DEMO, option, name, exit_code=2).stderr
    assert os.listdir() == []


def test_explain_to_a_folder_with_a_dot():
    Path("v1.0").mkdir()
    run("explain", DEMO, "-o", "v1.0")
    assert os.listdir("v1.0") == ["demo_face_quality.png"]


def test_explain_with_json_on_stdout_prints_nothing_else_there(photos):
    result = run("explain", photos[0], "--json", "-")
    assert json.loads(result.stdout)[0]["path"] == photos[0]
    assert "quality 0." in result.stderr


def test_explain_numbers_equal_stems(photos):
    for folder in "xy":
        Path(folder).mkdir()
        Path(folder, "a.png").write_bytes(DEMO.read_bytes())
    run("explain", photos[0], "x/a.png", "y/a.png", "-o", "out")
    assert sorted(os.listdir("out")) == ["a_quality.png", "a_quality_2.png", "a_quality_3.png"]


def test_explain_is_the_same_bytes_again():
    run("explain", "-o", "1", "--npz", "1", "--json", "1.json")
    run("explain", "-o", "2", "--npz", "2", "--json", "2.json")
    for name in ("demo_face_quality.png", "demo_face_quality.npz"):
        assert Path("1", name).read_bytes() == Path("2", name).read_bytes()
    assert Path("1.json").read_text().replace('"1/', '"2/') == Path("2.json").read_text()


def test_explain_lists_a_bad_file_and_explains_the_others(photos):
    Path("bad.png").write_bytes(b"no image")
    result = run("explain", photos[0], "bad.png", photos[1], "--json", "scores.json", exit_code=1)
    assert "Error: bad.png: is damaged" in result.stderr and "1 of 3 files have no score." in result.stderr
    assert [record["path"] for record in json.loads(Path("scores.json").read_text())] == photos[:2]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", [r"a$\b$ [1].png", "人.png", os.fsdecode(b"\xff.png")])
def test_any_file_name(name):
    try:
        Path(name).write_bytes(DEMO.read_bytes())
    except OSError:
        pytest.skip("this file system has no such names")
    run("explain", name, "--json", "scores.json")
    assert json.loads(Path("scores.json").read_text())[0]["path"] == name
    run("score", name, "-o", "scores.csv")
    with open("scores.csv", encoding="utf-8", errors="surrogateescape") as file:
        assert rows(file.read())[0]["path"] == name


# --- score


def test_score_writes_what_the_library_returns_in_the_order_given(photos, recognizer):
    result = run("score", photos[5], "photos", "-o", "scores.csv")
    assert result.stdout == "" and MEANING in result.stderr
    table = rows(Path("scores.csv").read_text())
    assert list(table[0]) == ["path", "quality", "raw_quality"]
    assert [row["path"] for row in table] == [photos[5], *photos[:5]]
    images = np.stack([read_image(row["path"]) for row in table])
    for name, function in (("quality", scaled_score), ("raw_quality", raw_score)):
        wanted = function(recognizer, images)
        np.testing.assert_allclose([float(row[name]) for row in table], wanted, rtol=2e-4)


def test_score_by_a_named_method(photos, recognizer):
    row = rows(run("score", photos[0], "--method", "ser_fiq_closed_form").stdout)[0]
    image = read_image(photos[0])
    wanted = face_quality(recognizer, image, method="ser_fiq_closed_form")
    assert float(row["quality"]) == pytest.approx(float(wanted), abs=1e-4)
    assert "has no quality head" in run("score", photos[0], "--method", "cr_fiqa", exit_code=1).stderr


def test_a_method_without_a_scale_gives_raw_scores(photos):
    result = run("score", photos[0], "--method", "grafiqs_block4")
    assert "grafiqs_block4 has no scale on this recogniser" in result.stderr
    assert "`pfiq calibrate --method grafiqs_block4`" in result.stderr
    row = rows(result.stdout)[0]
    assert row["quality"] == "" and float(row["raw_quality"]) < 0


def test_score_to_stdout_is_the_same_bytes_again(photos):
    first = run("score", "photos/*.png")
    assert len(rows(first.stdout)) == 6
    assert first.stdout == run("score", *photos).stdout


def test_score_agrees_with_explain(photos):
    row = rows(run("score", photos[0]).stdout)[0]
    record = json.loads(run("explain", photos[0], "--json", "-").stdout)[0]
    assert float(row["quality"]) == pytest.approx(record["quality"], abs=1e-4)
    assert float(row["raw_quality"]) == pytest.approx(record["raw_quality"], rel=1e-5)


@pytest.mark.parametrize("number", [1, 3, 4, 5])
def test_score_compiles_once(photos, recognizer, number):
    traced = []

    def trunk(scale, images):
        traced.append(images.shape)
        return images[:, ::16, ::16] * scale

    own = Recognizer.from_functions(trunk, lambda _, features: features.reshape(len(features), -1), np.float32(1))
    read = lambda path: read_face(path, (112, 112))  # noqa: E731
    batches = list(scoring.score_files(own, [Path(name) for name in photos[:number]], read, batch_size=2))
    assert [score.path for batch in batches for score in batch] == [Path(name) for name in photos[:number]]
    assert set(traced) == {(2, 112, 112, 3)} and len(traced) == 1


def test_score_lists_bad_files_and_scores_the_others(photos):
    Path("empty.png").touch()
    Path("cut.png").write_bytes(DEMO.read_bytes()[:5000])
    Path("text.jpg").write_text("no image")
    Image.fromarray(np.full((112, 112), np.nan, np.float32)).save("nan.tiff")
    bad = {"empty.png": "is empty", "cut.png": "damaged", "text.jpg": "damaged", "nan.tiff": "nan to nan"}
    bad["none.png"] = "no such file"
    result = run("score", photos[0], *bad, photos[1], exit_code=1)
    assert [row["path"] for row in rows(result.stdout)] == photos[:2]
    complaints = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    for complaint, (name, reason) in zip(complaints, bad.items(), strict=True):
        assert complaint.startswith(f"Error: {name}: ") and reason in complaint and "; " in complaint
    assert "5 of 7 files have no score." in result.stderr


def test_score_keeps_what_it_had_when_interrupted(photos, monkeypatch):
    def read(path, *_):
        if path == Path(photos[5]):
            raise KeyboardInterrupt
        return Face(read_image(path), squeezed=False)

    monkeypatch.setattr("pfiq_jax.cli.shared.read_face", read)
    result = run("score", *photos, "-o", "scores.csv", exit_code=1)
    assert "Aborted!" in result.stderr
    assert [row["path"] for row in rows(Path("scores.csv").read_text())] == photos[:4]


# --- both verbs


@pytest.mark.parametrize("verb", ["explain", "score"])
def test_says_what_a_score_means(verb):
    text = " ".join(run(verb, "--help").stdout.split())
    assert MEANING in text and "112x112" in text


@pytest.mark.parametrize("verb", ["explain", "score"])
def test_warns_of_an_image_squeezed_without_landmarks(verb):
    names = [f"{number}.png" for number in range(12)]
    for name in names:
        Image.open(DEMO).resize((150, 120)).save(name)
    assert "squeezed" not in run(verb, DEMO).stderr
    stderr = run(verb, *(names if verb == "score" else names[:1])).stderr
    assert "Warning: squeezed to 112x112" in stderr and "0.png" in stderr and "Give --landmarks" in stderr
    assert ("and 2 more" in stderr) == (verb == "score")


def test_aligns_by_landmarks(recognizer):
    photo = np.zeros((300, 300, 3), np.uint8)
    photo[60:284:2, 40:264:2] = photo[61:285:2, 40:264:2] = photo[60:284:2, 41:265:2] = photo[61:285:2, 41:265:2] = (
        np.asarray(Image.open(DEMO).convert("RGB"))
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
        assert "squeezed" not in result.stderr
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
        (f"{HEADER}photos/a.png,{','.join('x' * 10)}\n", "line 2: x,x,x,x,x,x,x,x,x,x are not ten numbers; give x1"),
        (f"{HEADER}photos/a.png,{','.join(['nan'] * 10)}\n", "a.png: landmarks"),
        (f"{HEADER}photos/a.png,{POINTS}\nphotos/a.png,{POINTS}\n", "line 3: photos/a.png comes twice"),
    ],
)
@pytest.mark.parametrize("verb", ["explain", "score"])
def test_bad_landmark_files(photos, verb, table, complaint):
    if table is not None:
        Path("landmarks.csv").write_text(table)
    result = run(verb, photos[0], "--landmarks", "landmarks.csv", exit_code=1)
    assert "Error: " in result.stderr and complaint in result.stderr


@pytest.mark.parametrize("numbers", ["1,2,3", f"{POINTS},1", POINTS.replace("9", "x")])
def test_bad_landmark_numbers(photos, numbers):
    stderr = run("explain", photos[0], "--landmarks", numbers, exit_code=1).stderr
    assert stderr.startswith(f"Error: --landmarks: {numbers} are not ten numbers; give x1,y1,")


def test_landmark_numbers_are_of_one_image(photos):
    assert "are of one image" in run("explain", *photos[:2], "--landmarks", POINTS, exit_code=2).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "a.png", "-o", "none/scores.csv"),
        ("score", "a.png", "-o", "folder"),
        ("explain", "a.png", "-o", "none/picture.png"),
        ("explain", "a.png", "-o", "a.png/folder"),
        ("explain", "a.png", "--json", "none/scores.json"),
        ("explain", "a.png", "--npz", "none/arrays.npz"),
        ("explain", "a.png", "-o", "./a.png"),
        ("score", "a.png", "-o", "a.png"),
    ],
)
def test_finds_out_first_that_an_output_cannot_be_written(monkeypatch, arguments):
    monkeypatch.setattr("pfiq_jax.cli.shared.load_recognizer", lambda _: pytest.fail("computed first"))
    Path("a.png").write_bytes(DEMO.read_bytes())
    Path("folder").mkdir()
    stderr = run(*arguments, exit_code=1).stderr
    assert stderr.startswith("Error: ") and arguments[-1].removeprefix("./").split("/")[0] in stderr
    assert Path("a.png").read_bytes() == DEMO.read_bytes()


@pytest.mark.parametrize("option", ["--landmarks", "--recognizer"])
@pytest.mark.parametrize(("verb", "output"), [("score", "-o"), ("explain", "--json")])
def test_no_input_is_overwritten(monkeypatch, photos, verb, output, option):
    monkeypatch.setattr("pfiq_jax.cli.shared.load_recognizer", lambda _: pytest.fail("computed first"))
    Path("input").write_text(HEADER)
    Path("link").symlink_to("input")
    for name in ("input", "./photos/../input", "link"):
        stderr = run(verb, photos[0], option, "input", output, name, exit_code=1).stderr
        assert stderr.startswith("Error: ") and "is an input and would be overwritten; name another output" in stderr
        assert "-o" in stderr
    assert Path("input").read_text() == HEADER


def test_a_mistake_leaves_old_outputs_alone(photos):
    Path("scores.csv").write_text("old")
    stderr = run("score", *photos, "-o", "scores.csv", "--recognizer", "none.safetensors", exit_code=1).stderr
    assert stderr.startswith("Error: none.safetensors: no such weights file; ")
    assert Path("scores.csv").read_text() == "old"


@pytest.mark.parametrize("verb", ["explain", "score"])
def test_another_recognizer(photos, recognizer, verb, tmp_path):
    recognizer.save("own.safetensors")
    assert run(verb, photos[0], "--recognizer", "own.safetensors").stdout == run(verb, photos[0]).stdout


def test_a_recognizer_of_another_size(facenet):
    facenet.save("facenet.safetensors")
    own = ("--recognizer", "facenet.safetensors")
    assert "squeezed to 160x160" in run("explain", DEMO, "--npz", "squeezed.npz", *own).stderr
    with np.load("squeezed.npz") as arrays:
        np.testing.assert_array_equal(arrays["image"], read_face(DEMO, (160, 160)).image)
        assert arrays["map"].shape == (160, 160)

    aligned = align(read_image(DEMO), ARCFACE_TEMPLATE, size=(160, 160))
    Image.fromarray(aligned).save("aligned.png")
    Path("landmarks.csv").write_text(f"{HEADER}{DEMO},{POINTS}\n")
    scores = [run("score", *arguments, *own) for arguments in ([DEMO, "--landmarks", "landmarks.csv"], ["aligned.png"])]
    assert all("squeezed" not in result.stderr for result in scores)
    by_landmarks, as_it_is = (rows(result.stdout)[0]["raw_quality"] for result in scores)
    assert by_landmarks == as_it_is


@pytest.mark.parametrize("verb", ["explain", "score"])
def test_nothing_found(photos, verb):
    Path("empty").mkdir()
    name = "x" * 300
    result = run(verb, photos[0], "empty", "*.webp", name, photos[1], exit_code=1)
    assert photos[0] in result.stdout and photos[1] in result.stdout
    assert [line for line in result.stderr.splitlines() if line.startswith("Error: ")] == [
        "Error: empty: contains no images; give image files, or folders that contain some.",
        "Error: *.webp: no such file; give an image file.",
        f"Error: {name}: cannot be read (File name too long); give an image file.",
    ]
    assert "3 of 5 files have no score." in result.stderr


def test_explain_shortens_a_name_that_would_be_too_long():
    name = "人" * 83 + ".png"
    Path(name).write_bytes(DEMO.read_bytes())
    run("explain", name, "-o", "out")
    assert len(os.listdir("out")) == 1


def test_faces_of_the_recognizers_own_size(photos):
    own = Recognizer.from_functions(
        lambda scale, images: images[:, :7, :7] * scale,
        lambda _, features: features.reshape(len(features), -1),
        np.float32(1),
        preprocessing=Preprocessing(size=(32, 48)),
    )
    face = read_face(Path(photos[0]), own.preprocessing.size)
    assert face.image.shape == (32, 48, 3) and face.squeezed
    result, raw_quality = scoring.explain(own, face.image)
    assert result.map.shape == (32, 48) and raw_quality.shape == ()


def program(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", "from pfiq_jax.cli import main; main(prog_name='pfiq')", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_as_a_program_in_an_empty_folder(tmp_path):
    """Its cache is not in the empty folder, which holds the picture alone after."""
    (tmp_path / "work").mkdir()
    os.chdir("work")
    for _ in range(2):
        result = program("explain", XDG_CACHE_HOME=str(tmp_path / "cache"))
        assert result.returncode == 0
        assert result.stderr.splitlines() == ["No image given: explaining the bundled demo face.", MEANING]
    assert os.listdir() == ["demo_face_quality.png"]
    entries = [path for path in (tmp_path / "cache/pfiq_jax").iterdir() if path.name.endswith("-cache")]
    assert entries
    for entry in entries:
        entry.write_bytes(b"damaged")
    result = program("explain", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (result.returncode, len(result.stderr.splitlines())) == (0, 2), result.stderr


def test_as_a_program_without_a_cache_and_with_a_mistake(tmp_path):
    Path("file").touch()
    result = program("score", "none.png", XDG_CACHE_HOME=str(tmp_path / "file"))
    assert result.returncode == 1
    assert result.stdout == "path,quality,raw_quality\n"
    assert result.stderr.splitlines()[1:] == [
        "Error: none.png: no such file; give an image file.",
        "1 of 1 files have no score.",
    ]
