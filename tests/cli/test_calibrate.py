"""``pfiq calibrate`` as a user runs it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

import pfiq_jax
from pfiq_jax.evaluation.scores import fit_calibrations
from pfiq_jax.faces import DEMO_FACE


@pytest.fixture
def faces() -> Path:
    """24 spoiled copies of one face."""
    face = np.asarray(Image.open(DEMO_FACE).convert("RGB"), np.float32)
    Path("faces").mkdir()
    for index in range(24):
        blurred = gaussian_filter(face, (index / 8, index / 8, 0)) * (1 - index / 48)
        Image.fromarray(blurred.astype(np.uint8)).save(f"faces/{index:02}.png")
    return Path("faces")


def test_writes_weights_that_know_what_scores_mean(run, faces):
    (faces / "broken.png").write_bytes(b"no image")
    result = run("calibrate", faces, "-o", "mine.safetensors", exit_code=1)
    assert "| relative_norm |" in result.stdout
    assert "fails" not in result.stdout
    assert "broken.png" in result.stderr
    assert "1 of 25 files were left out" in result.stderr
    assert "not known: that takes two people or more" in result.stderr
    calibration = pfiq_jax.load_recognizer("mine.safetensors").calibrations["relative_norm"]
    assert calibration.reference == "faces, 24 faces"
    assert calibration.failure is None
    assert "reference faces (faces, 24 faces)" in run("explain", DEMO_FACE, "--recognizer", "mine.safetensors").stdout


def test_the_person_is_the_first_folder_and_loose_faces_are_not_compared(run, faces, monkeypatch):
    """Ann and bob have two sessions each, 16 other faces lie next to their folders."""
    for index, path in enumerate(sorted(faces.iterdir())[:8]):
        folder = faces / ("ann", "bob")[index % 2] / ("2019", "2020")[index // 4]
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)
    compared = []

    def compare(embeddings, identities, *, fmr):
        compared.extend(identities)
        return compare_all_pairs(embeddings, identities, fmr=fmr)

    compare_all_pairs = fit_calibrations.compare_all_pairs
    monkeypatch.setattr(fit_calibrations, "compare_all_pairs", compare)
    result = run("calibrate", faces, "-o", "mine.safetensors", "--quality", "relative_norm")
    assert compared == ["ann"] * 4 + ["bob"] * 4
    assert pfiq_jax.load_recognizer("mine.safetensors").calibrations["relative_norm"].reference == "faces, 24 faces"
    assert "two people or more" not in result.stderr


def test_too_few_faces_are_refused(run, faces):
    for path in sorted(faces.iterdir())[10:]:
        path.unlink()
    result = run("calibrate", faces, "-o", "mine.safetensors", exit_code=1)
    assert "relative_norm has 10 scores; give 20 faces or more" in result.stderr
    assert not Path("mine.safetensors").exists()


def test_a_named_method_joins_what_the_weights_know(run, faces):
    result = run("calibrate", faces, "-o", "mine.safetensors", "--quality", "prefiqs")
    assert "| prefiqs |" in result.stdout
    assert "| relative_norm |" not in result.stdout
    assert {"prefiqs", "relative_norm"} <= pfiq_jax.load_recognizer("mine.safetensors").calibrations.keys()


def test_a_method_that_the_recogniser_does_not_support(run, faces):
    stderr = run("calibrate", faces, "-o", "mine.safetensors", "--quality", "cr_fiqa", exit_code=1).stderr
    assert "Error: --quality cr_fiqa: the recogniser has no quality head; " in stderr
