"""Conversions of YuNet, from both published files, compared with their sources."""

from importlib import resources

import jax
import numpy as np
import pytest
from click.testing import CliRunner

from pfiq_jax import PfiqError, load_detector
from weights_convert.cli import main
from weights_convert.convert import convert
from weights_convert.preprocessing import Given
from weights_convert.verify_detector import SIZE, verify_detector

FILES = ("face_detection_yunet_2023mar_int8bq.onnx", "face_detection_yunet_2023mar.onnx")


@pytest.fixture(scope="module")
def published(data, onnx):
    return data / "weights" / "yunet"


@pytest.mark.parity
@pytest.mark.parametrize("name", FILES)
def test_converted_and_verified_by_the_command(name, published, onnxruntime, tmp_path):
    output = tmp_path / "a.safetensors"
    result = CliRunner().invoke(main, ["convert", str(published / name), str(output), "--verify"])
    assert result.exit_code == 0, result.output
    assert "network: yunet\n" in result.output
    assert "license: MIT" in result.output
    assert "channel order" not in result.output  # YuNet's is fixed
    assert "verified: largest error of the raw outputs of 5 images against ONNX Runtime: " in result.output
    assert load_detector(output).provenance.source == name
    again = CliRunner().invoke(main, ["verify", str(published / name), str(output)])
    assert again.output.startswith(f"{output}: largest error of the raw outputs")


def test_the_bundled_file_is_the_conversion_of_the_int8_file(published, tmp_path):
    jax.tree.map(np.testing.assert_array_equal, convert(published / FILES[0]).parameters, load_detector().parameters)


@pytest.mark.parity
def test_another_network_is_not_verified(published, onnxruntime):
    from weights_convert.readers import read

    source, other = read(published / FILES[1]), load_detector()
    with pytest.raises(PfiqError, match=r"yunet_2023mar\.onnx: outputs of its conversion differ .*: cls_8 by .*kps_32"):
        verify_detector(source, other, np.full((1, *SIZE, 3), 100, np.uint8))


def test_what_is_done_to_pixels_cannot_be_changed(published):
    with pytest.raises(PfiqError, match=r"is a face detector, whose preprocessing is fixed; omit --mean, --epsilon\."):
        convert(published / FILES[0], preprocessing=Given(mean=127.5), epsilon=1e-3)


def test_the_bundled_licences_name_it():
    notice = (resources.files("pfiq_jax") / "bundled" / "LICENSES.md").read_text()
    assert load_detector().provenance.source_sha256 in notice
    assert "Permission is hereby granted" in notice
