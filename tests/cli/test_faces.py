"""What ``pfiq score`` and ``pfiq explain`` have in common: inputs, outputs, recognisers."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pfiq_jax.cli.outcome import MEANING
from pfiq_jax.faces import DEMO_FACE, LANDMARK_COLUMNS, align, read_face, read_image
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE

HEADER = f"path,{','.join(LANDMARK_COLUMNS)}\n"
POINTS = ",".join(str(number) for point in ARCFACE_TEMPLATE for number in point)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("command", ["explain", "score"])
def test_says_what_a_score_means(run, command):
    text = " ".join(run(command, "--help").stdout.split())
    assert MEANING in text
    assert "112x112" in text


@pytest.mark.parametrize("command", ["explain", "score"])
def test_warns_of_an_image_resized_without_landmarks(run, command):
    names = [f"{number}.png" for number in range(12)]
    for name in names:
        Image.open(DEMO_FACE).resize((150, 120)).save(name)
    assert "resized" not in run(command, DEMO_FACE).stderr
    stderr = run(command, "--detect", "none", *(names if command == "score" else names[:1])).stderr
    assert "files were resized to 112x112 pixels without alignment" in stderr
    assert "0.png" in stderr
    assert "Give landmarks or aligned faces" in stderr
    assert ("and 2 more" in stderr) == (command == "score")


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "a.png", "-o", "none/scores.csv"),
        ("explain", "a.png", "-o", "none/picture.png"),
        ("explain", "a.png", "-o", "a.png/folder"),
        ("explain", "a.png", "--json", "none/scores.json"),
        ("explain", "a.png", "--npz", "none/arrays.npz"),
        ("explain", "a.png", "-o", "./a.png"),
        ("score", "a.png", "-o", "a.png"),
        ("score", "a.png", "-o", "hard.png"),
        ("score", "a.png", "-o", "pipe"),
        ("explain", "a.png", "--json", "pipe"),
        ("explain", "a.png", "-o", "same.png", "--json", "same.png"),
        ("sheet", "a.png", "-o", "pipe.png"),
        ("sheet", "a.png", "-o", "a.png"),
        ("calibrate", "people", "-o", "pipe"),
        ("calibrate", "people", "-o", "none/mine.safetensors"),
        ("evaluate", "scores", "people", "--json", "folder"),
        ("evaluate", "masks", "people", "--json", "pipe"),
        ("activations", "people", "-o", "a.png"),
    ],
)
def test_finds_out_first_that_an_output_cannot_be_written(run, monkeypatch, arguments):
    monkeypatch.setattr("pfiq_jax.cli.start.load_recognizer", lambda _: pytest.fail("computed first"))
    Path("a.png").write_bytes(DEMO_FACE.read_bytes())
    for name in ("folder", "people/ann"):
        Path(name).mkdir(parents=True)
    Path("people/ann/1.png").write_bytes(DEMO_FACE.read_bytes())
    for name in ("pipe", "pipe.png"):
        os.mkfifo(name)
    os.link("a.png", "hard.png")
    stderr = run(*arguments, exit_code=3).stderr
    assert stderr.startswith("Error: ")
    assert arguments[-1].removeprefix("./").split("/")[0] in stderr
    assert Path("a.png").read_bytes() == DEMO_FACE.read_bytes()


@pytest.mark.parametrize("option", ["--landmarks", "--recognizer"])
@pytest.mark.parametrize(("command", "output"), [("score", "-o"), ("explain", "--json")])
def test_no_input_is_overwritten(run, monkeypatch, photos, command, output, option):
    monkeypatch.setattr("pfiq_jax.cli.start.load_recognizer", lambda _: pytest.fail("computed first"))
    Path("input").write_text(HEADER)
    Path("link").symlink_to("input")
    for name in ("input", "./photos/../input", "link"):
        stderr = run(command, photos[0], option, "input", output, name, exit_code=3).stderr
        assert stderr.startswith("Error: ")
        assert "is an input and would be overwritten; choose another output" in stderr
        assert "-o" in stderr
    assert Path("input").read_text() == HEADER


def test_a_mistake_leaves_old_outputs_alone(run, photos):
    Path("scores.csv").write_text("old")
    arguments = ("score", *photos, "-o", "scores.csv", "--force", "--recognizer", "none.safetensors")
    stderr = run(*arguments, exit_code=1).stderr
    assert stderr.startswith("Error: none.safetensors: no such weights file; ")
    assert Path("scores.csv").read_text() == "old"


@pytest.mark.parametrize("command", ["explain", "score"])
def test_another_recognizer(run, photos, recognizer, command, tmp_path):
    recognizer.save("own.safetensors")
    own, bundled = run(command, photos[0], "--recognizer", "own.safetensors").stdout, run(command, photos[0]).stdout
    if command == "score":  # the files differ, though not in their arrays
        (own,), (bundled,) = rows(own), rows(bundled)
        assert own.pop("weights") != bundled.pop("weights")
    assert own == bundled


@pytest.mark.slow
def test_a_recognizer_of_another_size(run, facenet):
    facenet.save("facenet.safetensors")
    own = ("--recognizer", "facenet.safetensors")
    assert "resized to 160x160" in run("explain", DEMO_FACE, "--detect", "none", "--npz", "resized.npz", *own).stderr
    with np.load("resized.npz") as arrays:
        np.testing.assert_array_equal(arrays["image"], read_face(DEMO_FACE, (160, 160)).image)
        assert arrays["map"].shape == (160, 160)

    aligned = np.rint(align(read_image(DEMO_FACE), ARCFACE_TEMPLATE, size=(160, 160))).astype(np.uint8)
    Image.fromarray(aligned).save("aligned.png")
    Path("landmarks.csv").write_text(f"{HEADER}{DEMO_FACE},{POINTS}\n")
    scores = [
        run("score", *arguments, *own) for arguments in ([DEMO_FACE, "--landmarks", "landmarks.csv"], ["aligned.png"])
    ]
    assert all("resized" not in result.stderr for result in scores)
    by_landmarks, as_it_is = (float(rows(result.stdout)[0]["raw_quality"]) for result in scores)
    assert by_landmarks == pytest.approx(as_it_is, rel=1e-4)  # a pixel may be rounded to the next level


@pytest.mark.parametrize("command", ["explain", "score"])
def test_nothing_found(run, photos, command):
    Path("empty").mkdir()
    name = "x" * 300
    result = run(command, photos[0], "empty", "*.webp", name, photos[1], exit_code=1)
    assert photos[0] in result.stdout
    assert photos[1] in result.stdout
    assert [line for line in result.stderr.splitlines() if line.startswith("Error: ")] == [
        "Error: empty: contains no images; give image files, or folders that contain some.",
        "Error: *.webp: no such file; give an image file.",
        f"Error: {name}: cannot be read (File name too long); give an image file.",
    ]
    assert "3 of 5 files were left out." in result.stderr
