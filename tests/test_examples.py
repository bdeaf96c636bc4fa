"""Every example runs as a user runs it, writes a picture, and measures what its description claims."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from weights_convert.convert import convert
from weights_convert.readers import read

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


@pytest.fixture
def run(tmp_path):
    """Runs an example by name with more arguments; returns what it printed, after a look at its picture."""

    def run(name, *arguments):
        picture = tmp_path / f"{name}.png"
        environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}  # of many devices
        environment |= {"PYTHONPATH": str(ROOT), "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir}
        command = [sys.executable, EXAMPLES / f"{name}.py", *arguments, "-o", picture]
        result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        with Image.open(picture) as image:
            assert min(image.size) > 300
            assert np.asarray(image.convert("L")).std() > 10
        return result.stdout

    return run


def numbers_after(text, label):
    """The numbers in the line that starts with a label."""
    line = next(line for line in text.splitlines() if line.startswith(label))
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e[-+]?\d+)?", line.removeprefix(label))]


def test_scripts_are_short_described_and_listed():
    listed = set(
        re.findall(r"^\| \[`(\w+\.py)`\]\(\.\./examples/\1\)", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    )
    assert listed == {path.name for path in SCRIPTS}
    for path in SCRIPTS:
        assert len(path.read_text().splitlines()) <= 120, path.name
        assert f"python examples/{path.name} " in ast.get_docstring(ast.parse(path.read_text())), path.name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["restoration", "template_fusion", "arcface"])
def test_a_missing_folder_gives_one_sentence(name):
    command = [sys.executable, EXAMPLES / f"{name}.py", "nowhere"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "Directory 'nowhere' does not exist." in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_quality_finds_the_exposure_but_not_the_colours(run):
    text = run("exposure")
    (_, spoiled, _), (quality, cosine, error) = (
        numbers_after(text, f"{name:20} dark   ") for name in ("as it is", "exposure by quality")
    )
    assert quality > 0.5
    assert cosine > spoiled + 0.2
    assert numbers_after(text, f"{'grey world':20} dark   ")[2] < error


@pytest.mark.slow
def test_frames_of_high_quality_are_the_most_similar_to_the_face(run):
    text = run("best_frames")
    _, _, of_all = numbers_after(text, "a face is found in")
    (rank, _, of_best), (sharp_rank, _, of_sharpest) = (
        numbers_after(text, f"by {k}:") for k in ("quality", "sharpness")
    )
    assert rank > max(sharp_rank, 0.8)
    assert of_best > max(of_sharpest, of_all + 0.1)


@pytest.mark.slow
def test_a_second_recogniser_does_not_share_the_gain(run, data, tmp_path):
    convert(read(data / "weights" / "mobilefacenet_y1" / "model-0000.params")).save(tmp_path / "y1.safetensors")
    text = run("maximise_quality", "--second", tmp_path / "y1.safetensors")
    original, maximised, random = numbers_after(text, "quality:")
    assert original < 0.7 < 0.95 < maximised
    assert abs(random - original) < 0.05
    *_, raw, highest = numbers_after(text, "raw score:")
    assert raw > highest
    assert numbers_after(text, "SFace (maximised)")[0] > 10 * numbers_after(text, "second recogniser")[0]


@pytest.mark.slow
def test_templates_by_quality_verify_better(run, data):
    text = run("template_fusion", data / "lfw_dev_degraded")
    *_, high = numbers_after(text, "two faces against three, quality")
    assert high < 0  # of the change from equal weights


@pytest.mark.slow
def test_faces_augmented_by_quality_match_more_often(run):
    text = run("grain_pipeline")
    (strength, chosen, _), (same_strength, shuffled, _) = (
        numbers_after(text, f"{name}: ") for name in ("by quality", "same, shuffled")
    )
    assert strength == same_strength
    assert chosen > shuffled


@pytest.mark.slow
def test_identity_term_keeps_what_quality_alone_loses(run, data):
    text = run("restoration", data / "lfw_dev")
    pixels, alone, both = (numbers_after(text, f"{name}: ") for name in ("pixels", "quality too", "both too"))
    assert min(alone[0], both[0]) > pixels[0]  # quality
    assert alone[1] < both[1]  # cosine to another photograph


@pytest.mark.slow
def test_arcface_learns_and_goes_on_from_a_checkpoint(run, data):
    text = run("arcface", data / "lfw_dev")
    first, last = numbers_after(text, "loss: first step")
    assert last < first
    (after, _), (before, _) = (numbers_after(text, f"{when}: ") for when in ("after", "before"))
    assert after > before  # of the photographs trained on
    assert numbers_after(text, "greatest difference after a restored checkpoint: ") == [0]
