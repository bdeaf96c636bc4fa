"""Photographs in the commands: the demo face, enlarged and put into larger pictures."""

import csv
import json
import os
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pfiq_jax import PfiqError
from pfiq_jax.faces import DEMO_FACE
from pfiq_jax.faces.photographs import NO_FACE, PLACE_COLUMNS
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE

LARGE, SMALL = (40, 60, 280), (420, 120, 126)  # left, top and side of the two squares that hold the demo face


def photograph(path: str, *squares: tuple[int, int, int], size: tuple[int, int] = (640, 400)) -> str:
    photo = Image.new("RGB", size, (120, 130, 140))
    for left, top, side in squares:
        photo.paste(Image.open(DEMO_FACE).convert("RGB").resize((side, side), Image.Resampling.BICUBIC), (left, top))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    photo.save(path)
    return path


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def template(left: int, top: int, side: int) -> np.ndarray:
    """Where the landmarks of the demo face lie."""
    return (np.array(ARCFACE_TEMPLATE) + 0.5) * side / 112 - 0.5 + (left, top)


def landmarks(row: dict[str, str]) -> np.ndarray:
    return np.array([float(row[name]) for name in PLACE_COLUMNS[-10:]]).reshape(5, 2)


@pytest.fixture(scope="module")
def demo_quality(run):
    return float(rows(run("score", DEMO_FACE).stdout)[0]["quality"])


def test_a_row_per_face_the_surest_first(run, demo_quality):
    group = photograph("group.png", SMALL, LARGE)
    result = run("score", group, DEMO_FACE)
    found = rows(result.stdout)
    assert [(row["path"], row["face"]) for row in found] == [(group, "1"), (group, "2"), (str(DEMO_FACE), "")]
    sure = [float(row["detector_score"]) for row in found[:2]]
    assert 1 > sure[0] >= sure[1] > 0.6
    by_size = sorted(found[:2], key=lambda row: -float(row["width"]))
    for row, square in zip(by_size, (LARGE, SMALL), strict=True):
        np.testing.assert_allclose(landmarks(row), template(*square), atol=0.08 * square[2])
        assert float(row["eye_distance"]) == pytest.approx(np.hypot(*(landmarks(row)[1] - landmarks(row)[0])), rel=1e-4)
        assert float(row["quality"]) == pytest.approx(demo_quality, abs=0.15)
    assert "2 faces found and aligned in 1 photograph." in result.stderr


def test_one_face_of_each_photograph(run):
    group = photograph("group.png", SMALL, LARGE)
    (largest,) = rows(run("score", "--detect", "largest", group).stdout)
    np.testing.assert_allclose(landmarks(largest), template(*LARGE), atol=0.08 * LARGE[2])
    centred = photograph("centred.png", LARGE, (450, 200, 150), size=(1000, 500))
    (central,) = rows(run("score", "--detect", "centre", centred).stdout)
    np.testing.assert_allclose(landmarks(central), template(450, 200, 150), atol=0.08 * 150)


def test_a_picture_without_a_face_is_a_row_and_ends_nothing(run):
    pictures = [photograph("empty.png"), photograph("face.png", LARGE)]
    result = run("score", *pictures, exit_code=1)
    empty, face = rows(result.stdout)
    assert empty["error"] == f"empty.png: {NO_FACE}"
    assert float(face["quality"]) > 0
    assert "1 of 2 files were left out." in result.stderr


def test_small_faces_and_cut_off_ones_are_named(run):
    pictures = [photograph("small.png", (100, 100, 80)), photograph("cut.png", (-140, 60, 280))]
    small, cut = rows(run("score", *pictures).stdout)
    assert small["warning"] == "fewer than 40 pixels between the eyes"
    assert cut["warning"] == "cut off by the border of the image"


def test_a_group_is_explained_face_by_face(run):
    photograph("photos/group.png", SMALL, LARGE)
    result = run("explain", "photos", "-o", "out", "--json", "out.json", "--npz", "out")
    assert sorted(os.listdir("out")) == sorted(
        f"group_quality{face}{suffix}"
        for suffix, faces in ((".png", ("", "_face1", "_face2")), (".npz", ("_face1", "_face2")))
        for face in faces
    )
    records = json.loads(Path("out.json").read_text())
    assert [record["face"] for record in records] == [1, 2]
    assert [record["picture"] for record in records] == ["out/group_quality_face1.png", "out/group_quality_face2.png"]
    assert set(PLACE_COLUMNS) <= set(records[0])
    assert "group.png, face 2: quality" in result.stdout
    assert "photos/group.png: 2 faces -> out/group_quality.png\n" in result.stdout
    with np.load("out/group_quality_face1.npz") as arrays:
        assert arrays["image"].shape == (112, 112, 3)


def test_a_group_that_vanishes_ends_nothing(run, monkeypatch):
    """Its photograph is read again, to draw where the faces are."""

    def vanished(path):
        raise PfiqError(f"{path}: no such file; give an image file.")

    monkeypatch.setattr("pfiq_jax.cli.explain.read_image", vanished)
    photograph("photos/a.png", SMALL, LARGE)
    photograph("photos/b.png", LARGE)
    stderr = run("explain", "photos", "-o", "out", exit_code=1).stderr
    assert "Error: photos/a.png: no such file" in stderr
    assert sorted(os.listdir("out")) == ["a_quality_face1.png", "a_quality_face2.png", "b_quality.png"]


def test_a_photograph_of_one_face_is_explained_like_a_crop(run):
    run("explain", photograph("photo.png", LARGE))
    assert sorted(os.listdir()) == ["photo.png", "photo_quality.png"]


def test_align_writes_crops_in_the_same_folders(run):
    photograph("photos/ann/a.png", LARGE)
    Image.open("photos/ann/a.png").save("photos/ann/a.jpg", quality=95)
    photograph("photos/ann/b.png", SMALL, LARGE)
    photograph("photos/bob/none.png")
    result = run("align", "photos", "-o", "faces", exit_code=1)
    assert result.stdout == "4 faces -> faces\n"
    assert sorted(map(str, Path("faces").rglob("*.png"))) == [
        *(f"faces/ann/{name}.png" for name in ("a", "a_2", "b_face1", "b_face2")),
    ]
    table = rows(Path("faces/landmarks.csv").read_text())
    assert [row["path"] for row in table if row["error"]] == ["photos/bob/none.png"]
    assert all((Path("faces") / row["crop"]).exists() for row in table if not row["error"])


@pytest.mark.parametrize(
    "command",
    [
        *("score -o out", "explain -o out", "align -o out", "sheet", "activations", "calibrate -o out.safetensors"),
        *("evaluate scores", "evaluate maps", "evaluate masks", "evaluate inpainting"),
    ],
)
def test_a_wrong_detector_is_noticed_before_the_work(run, command):
    sface = Path(str(resources.files("pfiq_jax") / "bundled/sface.safetensors"))
    for path in ("photos/ann/a.png", "photos/ann/b.png", "photos/bob/a.png", "photos/bob/b.png"):
        photograph(path, LARGE)
    result = run(*command.split(), "photos", "--detector", sface, exit_code=1)
    assert result.stderr == (
        f"Error: {sface}: is a face recogniser, not a face detector; give it to `load_recognizer` or `--recognizer`.\n"
    )


def test_an_aligned_face_scores_like_its_photograph(run):
    photograph("photos/a.png", LARGE)
    (photo,) = rows(run("score", "photos/a.png").stdout)
    run("align", "photos/a.png", "-o", "faces", "--detect", "largest")
    (crop,) = rows(run("score", "faces/a.png").stdout)
    (again,) = rows(run("score", "photos/a.png", "--landmarks", "faces/landmarks.csv").stdout)
    assert crop["quality"] == photo["quality"]
    assert float(again["quality"]) == pytest.approx(float(photo["quality"]), abs=1e-3)  # landmarks have six digits


def test_align_never_writes_among_its_inputs(run):
    photograph("photos/a.png", LARGE)
    for output in ("photos", "photos/faces"):
        stderr = run("align", "photos", "-o", output, exit_code=3).stderr
        assert f"{output}: lies in photos, which is read; choose a folder elsewhere." in stderr
    assert os.listdir("photos") == ["a.png"]


def test_commands_that_want_a_face_per_file_take_the_largest(run):
    photograph("photos/a.png", SMALL, LARGE)
    photograph("photos/b.png", SMALL)
    result = run("sheet", "photos")
    assert "2 faces -> sheet.png" in result.stdout
    assert "2 faces found and aligned in 2 photographs." in result.stderr


def test_crops_of_another_size_can_be_resized_in_every_command(run):
    """Aligned faces are better resized than detected again."""
    photograph("crops/a.png", (0, 0, 160), size=(160, 160))
    photograph("crops/b.png", (0, 0, 160), size=(160, 160))
    assert "2 of 2 files were resized" in run("sheet", "crops", "--detect", "none").stderr
    assert "2 faces found and aligned" in run("sheet", "crops").stderr
    assert "'all' is not one of" in run("sheet", "crops", "--detect", "all", exit_code=2).stderr
