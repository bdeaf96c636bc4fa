"""Weights files of detectors."""

import dataclasses
import json
import re

import jax
import numpy as np
import pytest
import safetensors.numpy

from pfiq_jax import Detector, PfiqError, Provenance, load_detector, load_recognizer
from pfiq_jax.recognizers.weights_file import HEADER


def test_save_is_the_inverse_of_load_bit_for_bit(detector, tmp_path):
    detector.save(tmp_path / "once.safetensors")
    again = load_detector(tmp_path / "once.safetensors")
    assert jax.tree.structure(again) == jax.tree.structure(detector)
    assert again.provenance == detector.provenance
    jax.tree.map(np.testing.assert_array_equal, again, detector)


def test_the_bundled_one_says_where_it_is_from(detector):
    assert detector.provenance.source == "face_detection_yunet_2023mar_int8bq.onnx"
    assert detector.provenance.license.startswith("MIT")
    assert str(detector) == "Detector(YuNet(), 53,104 parameters)"


def test_descriptions_compile_nothing_again(detector):
    traces = []

    @jax.jit
    def trace(detector):
        traces.append(detector)
        return detector.parameters["trunk"]["stem"]["bias"]

    trace(detector)
    trace(dataclasses.replace(detector, provenance=Provenance(source="elsewhere")))
    assert len(traces) == 1


def test_each_kind_of_file_names_its_own_loader(detector, recognizer, tmp_path):
    detector.save(tmp_path / "detector.safetensors")
    with pytest.raises(PfiqError, match=r"detector\.safetensors: is a face detector, not .*; give it to `load_dete"):
        load_recognizer(tmp_path / "detector.safetensors")
    recognizer.save(tmp_path / "sface.safetensors")
    with pytest.raises(PfiqError, match=r"sface\.safetensors: is a face recogniser, not .*; give it to `load_recogni"):
        load_detector(tmp_path / "sface.safetensors")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"kind": "landmarks"}, "kind"),
        ({"architecture": "retinaface"}, "architecture"),
        ({"storage_dtype": "int8"}, "storage_dtype"),
        ({"provenance": 3}, "provenance"),
        ({"extra": 1}, "extra"),
        ({"format_version": 99}, "upgrade"),
    ],
)
def test_every_value_of_a_header_is_checked(detector, tmp_path, change, place):
    path = tmp_path / "header.safetensors"
    detector.save(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()[HEADER])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    safetensors.numpy.save_file(arrays, path, {HEADER: json.dumps(header | change)})
    with pytest.raises(PfiqError, match=rf"header\.safetensors: .*{place}") as caught:
        load_detector(path)
    assert re.search(r"again with|upgrade|that `weights-convert convert`", str(caught.value))


def test_incomplete_files_are_refused(detector, tmp_path):
    parameters = {**detector.parameters, "neck": {"units": {}}}
    with pytest.raises(PfiqError, match=r"YuNet\(\): neck.units.00.depthwise.bias is missing") as caught:
        _reload(dataclasses.replace(detector, parameters=parameters), tmp_path)
    assert len(caught.value.details) == 12


def test_parameters_that_are_not_finite_are_not_written(detector, tmp_path):
    broken = jax.tree.map(lambda leaf: leaf * np.float32(np.nan), detector)
    with pytest.raises(PfiqError, match=r"was not written, since .* holds NaN"):
        _reload(broken, tmp_path)


def _reload(detector: Detector, folder) -> Detector:
    detector.save(folder / "a.safetensors")
    return load_detector(folder / "a.safetensors")
