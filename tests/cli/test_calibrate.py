"""``pfiq calibrate`` as a user runs it."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy.ndimage import gaussian_filter

import pfiq_jax
from pfiq_jax import cli

DEMO = Path(pfiq_jax.__file__).parent / "bundled/demo_face.png"


@pytest.fixture
def faces(tmp_path, monkeypatch) -> Path:
    """24 spoiled copies of one face."""
    monkeypatch.chdir(tmp_path)
    face = np.asarray(Image.open(DEMO).convert("RGB"), np.float32)
    Path("faces").mkdir()
    for index in range(24):
        blurred = gaussian_filter(face, (index / 8, index / 8, 0)) * (1 - index / 48)
        Image.fromarray(blurred.astype(np.uint8)).save(f"faces/{index:02}.png")
    return Path("faces")


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(cli.main, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result


def test_writes_weights_that_know_what_scores_mean(faces):
    (faces / "broken.png").write_bytes(b"no image")
    result = run("calibrate", faces, "-o", "mine.safetensors", exit_code=1)
    assert "| relative_norm |" in result.stdout and "fails" not in result.stdout
    assert "broken.png" in result.stderr and "1 of 25 faces were left out" in result.stderr
    assert "the probability of that is not known" in result.stderr
    calibration = pfiq_jax.load_recognizer("mine.safetensors").calibration("relative_norm")
    assert calibration.reference == "faces, 24 faces" and calibration.failure is None
    assert "of faces, 24 faces" in run("explain", DEMO, "--recognizer", "mine.safetensors").stdout


def test_too_few_faces_are_refused(faces):
    for path in sorted(faces.iterdir())[10:]:
        path.unlink()
    result = run("calibrate", faces, "-o", "mine.safetensors", exit_code=1)
    assert "10 faces are too few to calibrate; give 20 or more" in result.stderr
    assert not Path("mine.safetensors").exists()


def test_a_named_method_joins_what_the_weights_know(faces):
    result = run("calibrate", faces, "-o", "mine.safetensors", "--method", "prefiqs")
    assert "| prefiqs |" in result.stdout and "| relative_norm |" not in result.stdout
    known = {calibration.method for calibration in pfiq_jax.load_recognizer("mine.safetensors").calibrations}
    assert {"prefiqs", "relative_norm"} <= known
