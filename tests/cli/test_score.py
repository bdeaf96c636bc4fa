"""``pfiq score`` as a user runs it."""

import csv
import dataclasses
import io
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from pfiq_jax import QUALITY_METHODS, Recognizer, face_quality, relative_norm, scoring
from pfiq_jax.cli.outcome import MEANING
from pfiq_jax.faces import DEMO_FACE, Face, read_face, read_image
from pfiq_jax.faces.photographs import PLACE_COLUMNS

scaled_score = jax.jit(face_quality)
raw_score = jax.jit(relative_norm)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_score_writes_what_the_library_returns_in_the_order_given(run, photos, recognizer):
    result = run("score", photos[5], "photos", "-o", "scores.csv")
    assert result.stdout == ""
    assert MEANING in result.stderr
    table = rows(Path("scores.csv").read_text())
    assert list(table[0]) == [
        "path",
        "quality",
        "raw_quality",
        "status",
        "error",
        "warning",
        *PLACE_COLUMNS,
        "method",
        "weights",
    ]
    assert all(row[name] == "" for row in table for name in PLACE_COLUMNS)  # aligned crops
    assert [row["path"] for row in table] == [photos[5], *photos[:5]]
    images = np.stack([read_image(row["path"]) for row in table])
    for name, function in (("quality", scaled_score), ("raw_quality", raw_score)):
        wanted = function(recognizer, images)
        np.testing.assert_allclose([float(row[name]) for row in table], wanted, rtol=2e-4)


@pytest.mark.slow
def test_score_by_a_named_method(run, photos, recognizer):
    row = rows(run("score", photos[0], "--quality", "ser_fiq_closed_form").stdout)[0]
    image = read_image(photos[0])
    wanted = face_quality(recognizer, image, method="ser_fiq_closed_form")
    assert float(row["quality"]) == pytest.approx(float(wanted), abs=1e-4)
    assert "has no quality head" in run("score", photos[0], "--quality", "cr_fiqa", exit_code=1).stderr


def test_a_method_without_a_scale_gives_raw_scores(run, photos):
    result = run("score", photos[0], "--quality", "grafiqs_block4")
    assert "grafiqs_block4 has no scale on this recogniser" in result.stderr
    assert "`pfiq calibrate --quality grafiqs_block4`" in result.stderr
    row = rows(result.stdout)[0]
    assert row["quality"] == ""
    assert float(row["raw_quality"]) < 0


def test_score_to_stdout_is_the_same_bytes_again(run, photos):
    first = run("score", "photos/*.png")
    assert len(rows(first.stdout)) == 6
    assert first.stdout == run("score", *photos).stdout


def test_score_agrees_with_explain(run, photos):
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
    read = lambda path: [read_face(path, (112, 112))]  # noqa: E731
    batches = list(scoring.score_files(own, [Path(name) for name in photos[:number]], read, batch_size=2))
    assert [score.path for batch in batches for score in batch] == [Path(name) for name in photos[:number]]
    assert set(traced) == {(2, 112, 112, 3)}
    assert len(traced) == 1


def test_score_reports_pictures_that_it_left_out_of_a_folder(run, photos):
    Path("folder").mkdir()
    Path("folder/a.heic").write_bytes(b"x")
    Path("folder/b.jfif").write_bytes(Path(photos[0]).read_bytes())
    result = run("score", "folder")
    assert [row["path"] for row in rows(result.stdout)] == ["folder/b.jfif"]
    assert "Note: left out 1 .heic, whose formats are not read; convert them to JPEG." in result.stderr


def test_score_lists_bad_files_and_scores_the_others(run, photos):
    Path("empty.png").touch()
    Path("cut.png").write_bytes(DEMO_FACE.read_bytes()[:5000])
    Path("text.jpg").write_text("no image")
    Image.fromarray(np.full((112, 112), np.nan, np.float32)).save("nan.tiff")
    bad = {"empty.png": "is empty", "cut.png": "truncated", "text.jpg": "damaged", "nan.tiff": "nan to nan"}
    bad["none.png"] = "no such file"
    result = run("score", photos[0], *bad, photos[1], exit_code=1)
    table = rows(result.stdout)
    assert [row["path"] for row in table] == [photos[0], *bad, photos[1]]
    for row in table:
        assert bool(row["error"]) == (row["path"] in bad) == (row["quality"] == "") == (row["raw_quality"] == "")
    complaints = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert complaints == [f"Error: {row['error']}" for row in table if row["error"]]
    for complaint, (name, reason) in zip(complaints, bad.items(), strict=True):
        assert complaint.startswith(f"Error: {name}: ")
        assert reason in complaint
        assert "; " in complaint
    assert "5 of 7 files were left out." in result.stderr


def test_score_keeps_what_it_had_when_interrupted(run, photos, monkeypatch):
    def read(path, *_):
        if path.name == photos[5]:
            raise KeyboardInterrupt
        return Face(read_image(path.name), resized=False)

    monkeypatch.setattr("pfiq_jax.faces.readers.read_face", read)
    monkeypatch.setattr("pfiq_jax.faces.batches.CPU_BATCH_SIZE", 2)
    monkeypatch.setattr("jax.local_devices", lambda: jax.devices()[:1])
    result = run("score", "--detect", "none", *photos, "-o", "scores.csv", exit_code=130)
    assert "Aborted!" in result.stderr
    assert [row["path"] for row in rows(Path("scores.csv").read_text())] == photos[:2]


def test_a_borrowed_scale_and_saturated_scores_are_named(run, photos, recognizer):
    """Without a calibration there is only the published scale, of another network."""
    dataclasses.replace(recognizer, calibrations={}).save("bare.safetensors")
    result = run("score", *photos[:2], "--recognizer", "bare.safetensors")
    assert {row["warning"] for row in rows(result.stdout)} == {"scale of another network"}
    stderr = result.stderr
    assert stderr.count("this recogniser has no scale of its own; quality uses SER-FIQ's published scale") == 1
    assert "published scale" not in run("score", *photos[:2]).stderr
    explained = run("explain", photos[0], "--recognizer", "bare.safetensors", "--json", "-")
    assert "published scale" in explained.stderr
    assert "fitted to another network" in json.loads(explained.stdout)[0]["scale"]


@pytest.fixture
def overflowing(recognizer):
    """Finite weights whose embeddings overflow: the score of every face is NaN or infinite."""
    parameters = jax.tree.map(lambda leaf: leaf, recognizer.parameters)
    parameters["head"]["output_norm"]["scale"] = parameters["head"]["output_norm"]["scale"] * np.float32(1e38)
    dataclasses.replace(recognizer, parameters=parameters).save("overflowing.safetensors")
    return "overflowing.safetensors"


def test_a_score_that_is_not_finite_is_never_written(run, photos, overflowing):
    result = run("score", *photos[:2], "--recognizer", overflowing, exit_code=1)
    table = rows(result.stdout)
    assert [(row["quality"], row["raw_quality"]) for row in table] == [("", "")] * 2
    assert all(row["error"] == f"{row['path']}: {scoring.NOT_FINITE}" for row in table)
    assert "2 of 2 files were left out" in result.stderr


@pytest.mark.slow
def test_a_score_that_is_not_finite_is_never_drawn(run, photos, overflowing):
    for arguments in (("explain", photos[0], "--json", "a.json"), ("sheet", "photos", "-o", "a.png")):
        result = run(*arguments, "--recognizer", overflowing, exit_code=1)
        assert scoring.NOT_FINITE in result.stderr
    assert not list(Path().glob("*.png"))


def test_help_lists_every_method_with_its_summary_and_cost(run):
    text = " ".join(run("score", "--help").stdout.split())
    for name, method in QUALITY_METHODS.items():
        assert f"{name} {method.summary}; {method.cost}" in text


def test_a_resized_image_has_a_warning_in_its_row(run):
    Image.open(DEMO_FACE).resize((150, 120)).save("large.png")
    warnings = [row["warning"] for row in rows(run("score", "--detect", "none", DEMO_FACE, "large.png").stdout)]
    assert warnings == ["", "resized without alignment"]
