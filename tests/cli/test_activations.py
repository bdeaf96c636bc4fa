"""``pfiq activations`` and ``pfiq explain --reference`` as a user runs them."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from pfiq_jax.faces import DEMO_FACE
from pfiq_jax.maps import mean_activation
from pfiq_jax.variation import load_variation

WRITTEN = {"report.html", "report.json", "faces.csv", "high.npz", "low.npz"}
PICTURES = {"statistics.png", "densities.png", "faces.png", "deviations.png"}


@pytest.fixture(scope="module")
def report(run, tmp_path_factory) -> Path:
    """The output for 24 spoiled copies of a face, a file that is not an image, and a name that HTML must escape."""
    folder = tmp_path_factory.mktemp("activations")
    face = np.asarray(Image.open(DEMO_FACE).convert("RGB"), np.float32)
    (folder / "fa&ces").mkdir()
    for index in range(24):
        blurred = gaussian_filter(face, (index / 8, index / 8, 0)) * (1 - index / 48)
        Image.fromarray(blurred.astype(np.uint8)).save(folder / f"fa&ces/{index:02}.png")
    (folder / "fa&ces/broken.png").write_bytes(b"no image")
    result = run(
        "activations",
        *(folder / "fa&ces", "-o", folder / "report", "--activation", "mean_activation", "--quantile", 0.25),
        exit_code=1,
    )
    assert "6 faces of the highest and 6 of the lowest relative_norm" in result.stdout
    assert "broken.png" in result.stderr
    assert "1 of 25 files were left out" in result.stderr
    return folder / "report"


def test_writes_arrays_figures_pictures_and_a_page_that_holds_all(report, recognizer):
    assert {path.name for path in report.iterdir()} - {"deficits.png"} == WRITTEN | PICTURES
    page = (report / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(list(report.glob("*.png")))
    assert "fa&amp;ces" in page
    written = json.loads((report / "report.json").read_text())
    assert written["faces"] == {"high": 6, "low": 6, "others": 18}
    assert written["activations"] == "mean_activation"
    for finding in written["findings"]:
        assert finding in page.replace("&#x27;", "'")

    good = load_variation(report / "high.npz")
    images = np.stack([np.asarray(Image.open(report.parent / f"fa&ces/{index:02}.png")) for index in range(6)])
    maps = np.asarray(mean_activation(recognizer, images))
    np.testing.assert_allclose(good.mean, maps.mean(0), atol=1e-5)
    np.testing.assert_allclose(good.std, maps.std(0, ddof=1), atol=1e-5)
    assert written["figures"]["std_outside_high"] > 0

    with (report / "faces.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert float(rows[0]["score"]) < float(rows[-1]["score"])


@pytest.mark.slow
def test_the_same_faces_give_the_same_bytes(run, report, tmp_path):
    arguments = ["--activation", "mean_activation", "--quantile", "0.25"]
    run("activations", report.parent / "fa&ces", "-o", tmp_path / "again", *arguments, exit_code=1)
    for name in WRITTEN | PICTURES:
        assert (report / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_splits_by_a_column_of_another_tool(run, report, tmp_path):
    faces = report.parent / "fa&ces"
    rows = [f"{path.name},{index},{-index}" for index, path in enumerate(sorted(faces.glob("[0-9]*.png")))]
    (tmp_path / "other.csv").write_text("\n".join(["path,brisque,sharp", *rows[:20]]))
    options = [
        "--scores",
        tmp_path / "other.csv",
        "-o",
        tmp_path / "out",
        "--activation",
        "mean_activation",
        "--quantile",
        0.2,
    ]
    assert "choose one with --column" in run("activations", faces, *options, exit_code=1).stderr
    assert "has no column none" in run("activations", faces, *options, "--column", "none", exit_code=1).stderr
    run("activations", faces, *options, "--column", "sharp")
    written = json.loads((tmp_path / "out/report.json").read_text())
    assert written["score"] == "sharp"
    assert written["faces"]["high"] == 4
    by_ours = load_variation(report / "high.npz").mean
    assert (
        np.abs(load_variation(tmp_path / "out/high.npz").mean - by_ours).max() < 0.2
    )  # the sharp ones are the good ones


def test_explain_compares_with_a_reference(run, report, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good, bad = report.parent / "fa&ces/01.png", report.parent / "fa&ces/23.png"
    result = run("explain", good, bad, "--reference", report / "high.npz", "--json", "out.json", "--npz", "arrays")
    assert "from 6 good faces, whose own standard deviation is" in result.stdout
    first, second = json.loads(Path("out.json").read_text())
    assert first["deviation"] < second["deviation"]
    with np.load("arrays/23_quality.npz") as arrays:
        np.testing.assert_allclose(arrays["deviation"].mean(), second["deviation"], rtol=1e-6)
        assert arrays["activation"].shape == (112, 112)
    with Image.open("23_quality.png") as picture:
        assert picture.height >= 2 * 540  # a row of panels more


def test_a_reference_of_another_recogniser_is_refused(run, report, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.npz").write_text("nothing")
    assert "text.npz" in run("explain", DEMO_FACE, "--reference", "text.npz", exit_code=1).stderr
    good = load_variation(report / "high.npz")
    for name, problem in (("recognizer", "another recogniser"), ("activations", "does not state its activation map")):
        dataclasses.replace(good, metadata=good.metadata | {name: "other"}).save("other.npz")
        assert problem in run("explain", DEMO_FACE, "--reference", "other.npz", exit_code=1).stderr


def test_options_that_exclude_each_other(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    both = run("activations", DEMO_FACE.parent, "--quality", "magface", "--scores", "x.csv", exit_code=2)
    assert "give only one" in both.stderr
    assert "--column: belongs to --scores" in run("activations", DEMO_FACE.parent, "--column", "x", exit_code=2).stderr
    assert "too few" in run("activations", DEMO_FACE.parent, "-o", "out", exit_code=1).stderr
