"""``pfiq explain`` as a user runs it."""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from pfiq_jax import PixelQuality, Preprocessing, Recognizer, pixel_quality, relative_norm, scoring
from pfiq_jax.cli.outcome import MEANING
from pfiq_jax.faces import DEMO_FACE, read_face, read_image
from pfiq_jax.maps.face_regions import ALL_CONTRIBUTE, NOT_CALIBRATED

raw_score = jax.jit(relative_norm)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_explain_without_image_explains_the_demo_face(run):
    result = run("explain")
    assert "bundled demo face" in result.stderr
    assert MEANING in result.stderr
    assert "demo_face.png: quality 0." in result.stdout
    assert "higher is better" in result.stdout
    with Image.open("demo_face_quality.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000
    assert os.listdir() == ["demo_face_quality.png"]


def test_explain_writes_what_the_library_returns(run, photos, recognizer):
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
        wanted_numbers = {
            "path": name,
            "quality": pytest.approx(float(wanted.quality), abs=1e-5),
            "raw_quality": pytest.approx(float(raw_quality), rel=1e-5),
            "mean_pixel_quality": pytest.approx(float(wanted.map.mean()), abs=1e-5),
            "scale": recognizer.calibrations["relative_norm"].reference,
            "picture": f"out/{Path(name).stem}_quality.png",
            "recognizer": "bundled",
        }
        assert {key: record[key] for key in wanted_numbers} == wanted_numbers


def test_explain_to_named_files(run, photos):
    run("explain", photos[0], "-o", "picture.png", "--npz", "arrays.npz")
    assert sorted(os.listdir()) == ["arrays.npz", "photos", "picture.png"]
    assert "is one file, but there are 2 images" in run("explain", *photos[:2], "-o", "x.png", exit_code=2).stderr


@pytest.mark.parametrize("option", ["-o", "--npz"])
@pytest.mark.parametrize(("name", "reason"), [("-", "-: stdout cannot take"), ("out/x.jpg", "x.jpg: is not a .")])
def test_explain_makes_no_folder_of_what_was_meant_as_a_file(run, option, name, reason):
    assert reason in run("explain", DEMO_FACE, option, name, exit_code=2).stderr
    assert os.listdir() == []


def test_explain_to_a_folder_with_a_dot(run):
    Path("v1.0").mkdir()
    run("explain", DEMO_FACE, "-o", "v1.0")
    assert os.listdir("v1.0") == ["demo_face_quality.png"]


def test_explain_with_json_on_stdout_prints_nothing_else_there(run, photos):
    result = run("explain", photos[0], "--json", "-")
    assert json.loads(result.stdout)[0]["path"] == photos[0]
    assert "quality 0." in result.stderr


def test_explain_numbers_equal_stems(run, photos):
    for folder in "xy":
        Path(folder).mkdir()
        Path(folder, "a.png").write_bytes(DEMO_FACE.read_bytes())
    run("explain", photos[0], "x/a.png", "y/a.png", "-o", "out")
    assert sorted(os.listdir("out")) == ["a_quality.png", "a_quality_2.png", "a_quality_3.png"]


def test_explain_is_the_same_bytes_again(run):
    run("explain", "-o", "1", "--npz", "1", "--json", "1.json")
    run("explain", "-o", "2", "--npz", "2", "--json", "2.json")
    for name in ("demo_face_quality.png", "demo_face_quality.npz"):
        assert Path("1", name).read_bytes() == Path("2", name).read_bytes()
    assert Path("1.json").read_text().replace('"1/', '"2/') == Path("2.json").read_text()


def test_explain_lists_a_bad_file_and_explains_the_others(run, photos):
    Path("bad.png").write_bytes(b"no image")
    result = run("explain", photos[0], "bad.png", photos[1], "--json", "scores.json", exit_code=1)
    assert "Error: bad.png: is damaged" in result.stderr
    assert "1 of 3 files were left out." in result.stderr
    assert [record["path"] for record in json.loads(Path("scores.json").read_text())] == photos[:2]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", [r"a$\b$ [1].png", "人.png", os.fsdecode(b"\xff.png")])
def test_any_file_name(run, name):
    try:
        Path(name).write_bytes(DEMO_FACE.read_bytes())
    except OSError:
        pytest.skip("this file system has no such names")
    run("explain", name, "--json", "scores.json")
    assert json.loads(Path("scores.json").read_text())[0]["path"] == name
    run("score", name, "-o", "scores.csv")
    with open("scores.csv", encoding="utf-8", errors="surrogateescape") as file:
        assert rows(file.read())[0]["path"] == name


def test_explain_shortens_a_name_that_would_be_too_long(run):
    name = "人" * 83 + ".png"
    Path(name).write_bytes(DEMO_FACE.read_bytes())
    run("explain", name, "-o", "out")
    assert len(os.listdir("out")) == 1


@pytest.fixture
def explained(monkeypatch) -> Callable[[np.ndarray | None], None]:
    """Lets ``pfiq explain`` find a map of 0.25 and a deficit map on a small network."""
    own = Recognizer.from_functions(
        lambda _, images: images[:, ::16, ::16], lambda _, features: features.reshape(len(features), -1), ()
    )
    monkeypatch.setattr("pfiq_jax.cli.start.load_recognizer", lambda _: own)

    def find(deficit: np.ndarray | None) -> None:
        whole = np.full((112, 112), 0.25, np.float32)
        found = PixelQuality(np.float32(0.5), np.zeros((112, 112, 3), np.float32), whole, deficit)
        monkeypatch.setattr(scoring, "pixel_and_raw_quality", lambda recognizer, image: (found, np.float32(3)))

    return find


def test_explain_names_and_draws_what_a_face_lacks(run, explained):
    deficit = np.full((112, 112), 0.5, np.float32)
    deficit[40:62, 57:100] = 1  # in the right half of the image: the person's left eye
    explained(deficit)
    result = run("explain", DEMO_FACE, "--json", "out.json", "--npz", "arrays.npz")
    assert "  left eye: contributes less than in 99% of good faces" in result.stdout
    assert "right eye" not in result.stdout
    assert "deficits" not in result.stderr
    (record,) = json.loads(Path("out.json").read_text())
    assert record["regions"][0] == {"name": "left eye", "deficit": 1.0, "marked": True}
    assert len(record["regions"]) == 8
    assert {(each["deficit"], each["marked"]) for each in record["regions"][1:]} == {(0.5, False)}
    assert record["mean_deficit"] == pytest.approx(float(deficit.mean()))
    with np.load("arrays.npz") as arrays:
        np.testing.assert_array_equal(arrays["deficit"], deficit)
    with Image.open("demo_face_quality.png") as picture:
        assert picture.size == (1500, 2 * 540)  # a second row of panels


def test_explain_says_that_a_clean_face_lacks_nothing(run, explained):
    explained(np.full((112, 112), 0.5, np.float32))
    assert f"  {ALL_CONTRIBUTE}" in run("explain", DEMO_FACE).stdout


def test_explain_leaves_deficits_out_with_one_sentence(run, explained, photos):
    explained(None)
    result = run("explain", *photos[:2], "--json", "out.json", "--npz", "arrays")
    assert result.stderr.count(NOT_CALIBRATED) == 1
    assert "contribute" not in result.stdout
    assert not {"regions", "mean_deficit"} & json.loads(Path("out.json").read_text())[0].keys()
    with np.load("arrays/a_quality.npz") as arrays:
        assert set(arrays) == {"image", "quality", "gradient", "map"}
    with Image.open("a_quality.png") as picture:
        assert picture.size == (1500, 540)


def test_explain_in_the_published_colours(run, explained):
    explained(None)
    for name, options in {"new": [], "published": ["--colours", "RdYlGn"]}.items():
        run("explain", DEMO_FACE, "-o", f"{name}.png", *options)
        map_pixel = {"new": "cividis", "published": "RdYlGn"}[name]
        colour = np.round(255 * np.array(colormaps[map_pixel](0.25))[:3]).astype(int)
        picture = np.asarray(Image.open(f"{name}.png").convert("RGB")).astype(int)
        assert np.all(np.abs(picture - colour) <= 1, -1).sum() > 300 * 300
    assert "'cividis', 'RdYlGn'" in run("explain", DEMO_FACE, "--colours", "red", exit_code=2).stderr


def test_faces_of_the_recognizers_own_size(photos):
    own = Recognizer.from_functions(
        lambda scale, images: images[:, :7, :7] * scale,
        lambda _, features: features.reshape(len(features), -1),
        np.float32(1),
        preprocessing=Preprocessing(size=(32, 48)),
    )
    face = read_face(Path(photos[0]), own.preprocessing.size)
    assert face.image.shape == (32, 48, 3)
    assert face.resized
    result, raw_quality = scoring.pixel_and_raw_quality(own, face.image)
    assert result.map.shape == (32, 48)
    assert raw_quality.shape == ()
