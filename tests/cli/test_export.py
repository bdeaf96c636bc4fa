"""``pfiq export`` as a user runs it."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pfiq_jax import face_quality
from pfiq_jax.faces import read_image


@pytest.fixture(autouse=True)
def _small_network(small, monkeypatch) -> None:
    """Instead of the bundled one, whose programs take long to compile."""
    monkeypatch.setattr("pfiq_jax.cli.export.start", lambda recognizer_file: small)


def test_export_prints_what_it_wrote_when_it_expires_and_how_to_load_it(run, photos, small):
    output = run("export", "-o", "score.export").stdout
    with zipfile.ZipFile("score.export") as file:
        metadata = json.loads(file.read("metadata.json"))
    assert f"Expires on {metadata['expires']}" in output
    assert "ser_fiq_closed_form of aligned faces; uint8 (batch, 112, 112, 3)" in output
    names = {"images": np.stack([read_image(path) for path in photos[:2]])}
    exec("\n".join(output.splitlines()[-3:]), names)
    wanted = face_quality(small, names["images"])
    np.testing.assert_allclose(names["results"]["quality"], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "score.tflite"], "the suffix of the exported file is '.tflite'; choose one of '.export', '.onnx'."),
        (["-o", "score.export", "--photographs", "640"], "--photographs: is '640'; give height and width in pixels"),
        (["-o", "score.onnx", "--photographs", "480x640"], "score.onnx: ONNX files cannot contain the detection"),
        (["-o", "score.export", "--quality", "cr_fiqa"], "cr_fiqa: the recogniser has no quality head"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(run, options, message):
    result = run("export", *options, exit_code=1)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(Path().iterdir())
