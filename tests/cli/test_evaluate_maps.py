"""``pfiq evaluate maps``, ``masks`` and ``inpainting``, and ``pfiq sheet``, on disturbed copies of the bundled face."""

import dataclasses
import importlib
import json
import os
import re
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from pfiq_jax import PixelQuality, Preprocessing, Recognizer
from pfiq_jax.cli.sheet import shortened
from pfiq_jax.evaluation.maps.inpainting import INPAINTING_MEASURES
from pfiq_jax.evaluation.maps.map_measures import MAP_MEASURES
from pfiq_jax.evaluation.maps.masks import MASK_MEASURES, MASK_SIZES
from pfiq_jax.evaluation.maps.occlusions import OCCLUSIONS
from pfiq_jax.faces import demo_face
from pfiq_jax.maps.methods import DEFAULT_MAP_METHOD, MAP_METHODS

EXPERIMENTS = ("maps", "masks", "inpainting")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """A network and a map method that take no time."""
    own = Recognizer.from_functions(
        lambda _, images: images.reshape(-1, 14, 8, 14, 8, 3).mean((2, 4)),
        lambda _, features: features.reshape(len(features), -1),
        (),
        preprocessing=Preprocessing(size=(112, 112)),
    )
    monkeypatch.setattr("pfiq_jax.cli.start.load_recognizer", lambda _: own)

    def brightness(recognizer, images) -> PixelQuality:
        pixels = jnp.asarray(images, jnp.float32) / 255
        gray = jnp.mean(pixels, -1)
        return PixelQuality(jnp.mean(gray, (1, 2)), pixels, gray)

    for module in ("evaluate_maps", "sheet"):
        methods = {name: dataclasses.replace(method, compute=brightness) for name, method in MAP_METHODS.items()}
        monkeypatch.setattr(importlib.import_module(f"pfiq_jax.cli.{module}"), "MAP_METHODS", methods)


@pytest.fixture
def people():
    """Four people: the demo face, darker and darker; the first one twice."""
    face = demo_face()
    for index, name in enumerate(("ann", "bob", "cleo", "dan")):
        Path("people", name).mkdir(parents=True)
        image = np.roll(face, 3 * index, 1) * (1 - 0.2 * index)
        Image.fromarray(image.astype(np.uint8)).save(f"people/{name}/1.png")
    Image.fromarray(face).save("people/ann/2.png")
    return Path("people")


CONTROLS = ["plq", "random", "mean_map", "detail", "shuffled_weights"]
HEADLINES = ("ppt", "ppt_foreign", "localisation", "insertion", "deletion")
LEADS = ("insertion_lead_over_mean_map", "deletion_lead_over_mean_map")


def test_maps_writes_json_table_and_picture(run, people):
    result = run("evaluate", "maps", people)
    assert sorted(os.listdir()) == ["maps.json", "maps.md", "maps.png", "people"]
    report = json.loads(Path("maps.json").read_text())
    assert report.keys() == {"default", "methods"}
    assert report["default"] == DEFAULT_MAP_METHOD
    assert list(report["methods"]) == [DEFAULT_MAP_METHOD, *CONTROLS]
    for measure in (*HEADLINES, *LEADS):
        of_plq = report["methods"]["plq"][measure]
        assert of_plq.keys() == {"value", "low", "high"}
        assert of_plq["low"] <= of_plq["value"] <= of_plq["high"]
        assert of_plq == report["methods"][DEFAULT_MAP_METHOD][measure]
    of_random = report["methods"]["random"]
    assert of_random["ppt"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert of_plq != of_random["deletion"]
    assert report["methods"]["mean_map"]["ppt_foreign"]["value"] == 0.5
    assert "follows_score" not in report["methods"]["shuffled_weights"]
    assert result.stdout == Path("maps.md").read_text()
    assert "4 faces, one of each person" in result.stdout
    assert "| plq | 0." in result.stdout


def test_named_methods_replace_the_default_but_not_the_controls(run, people):
    run("evaluate", "maps", people, "--limit", 2, "--map", "learned_order", "--map", "occlusion", "--map", "detail")
    methods = json.loads(Path("maps.json").read_text())["methods"]
    assert list(methods) == ["learned_order", "occlusion", *CONTROLS]
    assert methods["learned_order"].keys() >= {"insertion_share", "deletion_share"}


def test_masks_finds_black_squares_in_a_map_of_brightness(run, people):
    result = run("evaluate", "masks", people, "--map", "plq", "--cover", "black", "--json", "out/found.json")
    assert sorted(os.listdir("out")) == ["found.json", "found.md", "found.png"]
    report = json.loads(Path("out/found.json").read_text())
    assert report["default"] == "plq"
    assert list(report["methods"]) == ["plq"]
    figures = report["methods"]["plq"]
    assert len(figures) == 7 * len(MASK_SIZES)
    for size in MASK_SIZES:
        assert figures[f"found_{size}"]["value"] == 1
        assert figures[f"inside_after_{size}"]["value"] == 0
        assert figures[f"quality_after_{size}"]["value"] < figures[f"quality_before_{size}"]["value"]
    assert "2 good faces" in result.stdout
    assert "| 30 | 1.000 [1.000, 1.000] |" in result.stdout


def test_inpainting_restores(run, people):
    result = run("evaluate", "inpainting", people)
    assert sorted(os.listdir()) == ["inpainting.json", "inpainting.md", "inpainting.png", "people"]
    figures = json.loads(Path("inpainting.json").read_text())["methods"][DEFAULT_MAP_METHOD]
    clean, occluded, restored = (figures[f"inside_{state}_all"]["value"] for state in ("clean", "occluded", "restored"))
    assert abs(restored - clean) < abs(occluded - clean)
    assert figures["inside_gain_all"]["value"] == pytest.approx(restored - occluded)
    for kind in OCCLUSIONS:
        assert f"quality_gain_{kind}" in figures
        assert f"| {kind} | 0." in result.stdout


def test_sheet_draws_all_faces(run, people):
    result = run("sheet", people)
    assert "5 faces -> sheet.png" in result.stdout
    with Image.open("sheet.png") as picture:
        assert picture.format == "PNG"
    run("sheet", people / "ann", "-o", "ann.png")
    assert "ann.jpg: is not a .png file" in run("sheet", people, "-o", "ann.jpg", exit_code=2).stderr


def test_sheet_says_how_many_faces_are_left_out(run, people, monkeypatch):
    monkeypatch.setattr(importlib.import_module("pfiq_jax.cli.sheet"), "FACES", 3)
    result = run("sheet", people)
    assert "3 faces -> sheet.png" in result.stdout
    assert "Only the first 3 of 5 faces are drawn" in result.stderr


def test_sheet_keeps_both_ends_of_a_long_name():
    assert shortened(Path("x/short.png")) == "short"
    assert shortened(Path("Alejandro_Toledo_0003.png")) == "Alejand…o_0003"


@pytest.mark.slow
@pytest.mark.parametrize("subcommand", EXPERIMENTS)
def test_the_same_bytes_again(run, people, subcommand):
    for folder in ("1", "2"):
        run("evaluate", subcommand, people, "--map", "plq", "--json", f"{folder}/figures.json")
    for name in os.listdir("1"):
        assert Path("1", name).read_bytes() == Path("2", name).read_bytes()


@pytest.mark.parametrize("subcommand", EXPERIMENTS)
def test_json_on_stdout(run, people, subcommand):
    result = run("evaluate", subcommand, people, "--map", "plq", "--json", "-")
    assert json.loads(result.stdout)["methods"]["plq"]
    assert "faces, one of each person" in result.stderr
    assert sorted(os.listdir()) == [f"{subcommand}.md", f"{subcommand}.png", "people"]


@pytest.mark.parametrize("arguments", [*(("evaluate", name, "--map", "plq") for name in EXPERIMENTS), ("sheet",)])
def test_bad_files_are_listed_and_all_others_evaluated(run, people, arguments):
    Path("people/bob/1.png").write_bytes(b"no image")
    Path("people/eve").mkdir()
    Path("people/eve/1.png").touch()
    result = run(*arguments, people, exit_code=1)
    assert "Error: people/bob/1.png: is damaged" in result.stderr
    assert "Error: people/eve/1.png: is empty" in result.stderr
    assert "2 of " in result.stderr
    assert "3 faces" in result.stdout or "2 good" in result.stdout or "4 faces" in result.stdout


@pytest.mark.parametrize("arguments", [*(("evaluate", subcommand) for subcommand in EXPERIMENTS), ("sheet",)])
def test_folders_without_faces(run, arguments):
    Path("empty").mkdir()
    Path("bad").mkdir()
    Path("bad/1.png").touch()
    for folder in ("empty", "none", "bad"):
        stderr = run(*arguments, folder, exit_code=1).stderr
        assert stderr.startswith("Error: ")
        assert f"{folder}" in stderr
        assert "; give " in stderr


@pytest.mark.parametrize("subcommand", EXPERIMENTS)
def test_finds_out_first_what_cannot_be_written(run, people, subcommand, monkeypatch):
    monkeypatch.setattr("pfiq_jax.cli.start.load_recognizer", lambda _: pytest.fail("computed first"))
    Path("file").touch()
    for json_file, reason in (
        ("file/figures.json", "file"),
        ("people", "people"),
        ("figures.png", "choose a name that ends in .json"),
        ("people/ann/1.json", "is an input and would be overwritten"),
    ):
        assert reason in run("evaluate", subcommand, people, "--json", json_file, exit_code=3).stderr


@pytest.mark.parametrize(
    "arguments", [*(("evaluate", subcommand) for subcommand in EXPERIMENTS), ("sheet",), ("explain",), ("activations",)]
)
def test_finds_out_first_that_matplotlib_is_missing(run, people, arguments, monkeypatch):
    monkeypatch.setattr("pfiq_jax.cli.start.load_recognizer", lambda _: pytest.fail("computed first"))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install 'pfiq-jax[plot]'" in run(*arguments, people, exit_code=1).stderr


@pytest.mark.parametrize("subcommand", ["maps", "inpainting"])
def test_one_face_is_too_few(run, people, subcommand):
    assert "give two or more" in run("evaluate", subcommand, people / "bob", exit_code=1).stderr


@pytest.mark.parametrize(
    ("subcommand", "measures"),
    [("maps", MAP_MEASURES[:6]), ("masks", MASK_MEASURES), ("inpainting", INPAINTING_MEASURES)],
)
def test_help_describes_the_measures(run, subcommand, measures):
    text = run("evaluate", subcommand, "--help").stdout
    for measure in measures:
        assert re.search(rf"^  {measure.name} +{measure.meaning.split(' ')[0]} ", text, re.MULTILINE)
    assert "[default: " in text
    assert f"{subcommand}.json" in text
