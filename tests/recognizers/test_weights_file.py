"""Weight files: bit for bit, and every way they can be broken."""

import dataclasses
import json
import re

import jax
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pfiq_jax import PfiqError, Recognizer, load_recognizer
from pfiq_jax.recognizers.weights_file import HEADER


def test_save_is_the_inverse_of_load_bit_for_bit(recognizer, tmp_path):
    recognizer.save(tmp_path / "once.safetensors")
    again = load_recognizer(tmp_path / "once.safetensors")
    assert jax.tree.structure(again) == jax.tree.structure(recognizer)
    jax.tree.map(np.testing.assert_array_equal, again, recognizer)
    again.save(tmp_path / "twice.safetensors")
    assert (tmp_path / "once.safetensors").read_bytes() == (tmp_path / "twice.safetensors").read_bytes()


def test_changed_weights_lose_nothing_to_the_narrow_dtype(recognizer, tmp_path):
    tuned = jax.tree.map(lambda leaf: leaf * np.float32(1.0001), recognizer)
    tuned.save(tmp_path / "tuned.safetensors")
    jax.tree.map(np.testing.assert_array_equal, load_recognizer(tmp_path / "tuned.safetensors"), tuned)


def test_transposed_arrays_are_saved_as_they_are(recognizer, tmp_path):
    """safetensors writes the memory of an array, whatever its strides are."""
    parameters = jax.tree.map(lambda leaf: np.asfortranarray(leaf), recognizer.parameters)
    dataclasses.replace(recognizer, parameters=parameters).save(tmp_path / "transposed.safetensors")
    again = load_recognizer(tmp_path / "transposed.safetensors")
    jax.tree.map(np.testing.assert_array_equal, again.parameters, recognizer.parameters)


def test_good_faces_can_be_left_out(recognizer, tmp_path):
    dataclasses.replace(recognizer, good_faces=None).save(tmp_path / "without.safetensors")
    assert load_recognizer(tmp_path / "without.safetensors").good_faces is None


def broken(name, change):
    def break_one(arrays):
        arrays[f"good_faces.{name}"] = change(arrays[f"good_faces.{name}"])

    return pytest.param(break_one, id=f"{name}")


@pytest.mark.parametrize(
    "break_one",
    [
        broken("centre", lambda array: array[:-1]),
        broken("basis", lambda array: array * np.nan),
        broken("evidence", lambda array: -array),
        broken("quantiles", lambda array: array[::-1].copy()),
        pytest.param(lambda arrays: arrays.pop("good_faces.whitening"), id="missing"),
        pytest.param(lambda arrays: arrays.update({"good_faces.extra": np.zeros(1, np.float32)}), id="left over"),
    ],
)
def test_damaged_good_faces_are_refused(recognizer, tmp_path, break_one):
    recognizer.save(tmp_path / "whole.safetensors")
    with safetensors.safe_open(tmp_path / "whole.safetensors", framework="numpy") as file:
        arrays, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    break_one(arrays)
    safetensors.numpy.save_file(arrays, tmp_path / "broken.safetensors", metadata)
    with pytest.raises(PfiqError, match=r"broken.safetensors: its arrays of good faces are .* calibrate"):
        load_recognizer(tmp_path / "broken.safetensors")


def test_a_network_of_ones_own_cannot_be_saved(tmp_path):
    own = Recognizer.from_functions(lambda p, x: x, lambda p, x: x, {})
    with pytest.raises(PfiqError, match="own architectures"):
        own.save(tmp_path / "own.safetensors")


def test_unwritable_place(recognizer, tmp_path):
    with pytest.raises(PfiqError, match="cannot be written"):
        recognizer.save(tmp_path / "missing" / "file.safetensors")


@pytest.fixture(scope="module")
def parts(recognizer, tmp_path_factory):
    """Header and arrays of the bundled file."""
    path = tmp_path_factory.mktemp("weights") / "whole.safetensors"
    recognizer.save(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        return file.metadata()[HEADER], {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping


def write(path, header, arrays):
    safetensors.numpy.save_file(arrays, path, {HEADER: header} if header else None)
    return path


def test_all_problems_of_a_file_are_in_one_error(parts, tmp_path):
    header, arrays = parts
    arrays = dict(arrays)
    del arrays["head.bias"]
    arrays["head.stray"] = np.zeros(3, np.float32)
    arrays["head.kernel"] = arrays["head.kernel"][:6]
    arrays["head.output_norm.mean"] = np.full_like(arrays["head.output_norm.mean"], np.nan)
    arrays["head.output_norm.bias"] = arrays["head.output_norm.bias"].astype(np.int32)
    path = write(tmp_path / "broken.safetensors", header, arrays)
    with pytest.raises(PfiqError) as caught:
        load_recognizer(path)
    assert "broken.safetensors: does not fit SFace(dim=128): " in str(caught.value)
    for part in (
        "head.bias is missing",
        "head.stray is not part of the network",
        "head.kernel has shape (6, 7, 1024, 128) instead of (7, 7, 1024, 128)",
        "head.output_norm.mean holds NaN",
        "head.output_norm.bias has dtype int32",
    ):
        assert any(problem.startswith(part) for problem in caught.value.details)


def merged(header, change):
    """A header with some values replaced, in dictionaries and lists of any depth; keys of lists are positions."""
    if not isinstance(change, dict):
        return change
    if isinstance(header, list):
        return [merged(old, change.get(index, {})) if index in change else old for index, old in enumerate(header)]
    return header | {name: merged(header.get(name), new) if name in header else new for name, new in change.items()}


ZERO_TO_HUNDRED = [float(number) for number in range(101)]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"architecture": "resnext"}, "architecture"),
        ({"architecture": "iresnet"}, "head_epsilon"),
        ({"architecture": 3}, "architecture"),
        ({"options": {"unknown": 1}}, "unknown"),
        ({"options": []}, "options"),
        ({"options": {"epsilon": -1}}, "epsilon"),  # gave nan,nan with exit code 0
        ({"options": {"epsilon": 0}}, "epsilon"),
        ({"options": {"epsilon": 1e300}}, "epsilon"),
        ({"options": {"epsilon": "1e-5"}}, "epsilon"),
        ({"options": {"dim": 10**9}}, "dim"),
        ({"options": {"dim": 0}}, "dim"),
        ({"options": {"dim": 1.5}}, "dim"),
        ({"preprocessing": {"size": "big"}}, "size"),
        ({"preprocessing": {"size": [10**6, 10**6]}}, "size"),
        ({"preprocessing": {"size": [-112, 112]}}, "size"),
        ({"preprocessing": {"size": [112]}}, "size"),
        ({"preprocessing": {"size": [224, 224]}}, "`size` of 112x112 for sface, got 224x224"),
        ({"preprocessing": {"scale": [0, 0, 0]}}, "scale"),
        ({"preprocessing": {"scale": [float("nan")] * 3}}, "header is damaged .JSON is malformed"),
        ({"preprocessing": {"mean": [float("inf")] * 3}}, "header is damaged .JSON is malformed"),
        ({"preprocessing": {"mean": [1e300] * 3}}, "mean"),
        ({"preprocessing": {"channel_order": "GRB"}}, "channel_order"),
        ({"preprocessing": {"template": [[0, 0]]}}, "template"),
        ({"preprocessing": None}, "preprocessing"),
        ({"dropout_rate": "much"}, "dropout_rate"),
        ({"dropout_rate": 7}, "dropout_rate"),
        ({"dropout_rate": 1}, "dropout_rate"),
        ({"dropout_rate": -0.1}, "dropout_rate"),
        ({"dropout_granularity": "layer"}, "dropout_granularity"),
        ({"folded_batch_norms": "yes"}, "folded_batch_norms"),
        ({"storage_dtype": "float8"}, "storage_dtype"),
        ({"format_version": 99}, "upgrade"),
        ({"provenance": 3}, "provenance"),
        ({"provenance": {"colour": "red"}}, "colour"),
        ({"provenance": {"source": 3}}, "source"),
        ({"provenance": {"also_fits": "sface"}}, "also_fits"),
        ({"calibrations": {0: {"alpha": -50}}}, "alpha"),
        ({"calibrations": {0: {"alpha": 0}}}, "alpha"),
        ({"calibrations": {0: {"alpha": "steep"}}}, "alpha"),
        ({"calibrations": {0: {"r": float("inf")}}}, "header is damaged .JSON is malformed"),
        ({"calibrations": {0: {"r": 1e9}}}, "within the percentiles"),
        ({"calibrations": {0: {"percentiles": [1.0, 2.0]}}}, "percentiles"),
        ({"calibrations": {0: {"percentiles": ZERO_TO_HUNDRED[::-1], "r": 50}}}, "ascending"),
        ({"calibrations": {0: {"fmr": 2}}}, "fmr"),
        ({"calibrations": {0: {"threshold": 7}}}, "threshold"),
        ({"calibrations": {0: {"failure": [1]}}}, "failure"),
        ({"calibrations": {0: {"colour": 1}}}, "colour"),
        ({"calibrations": {0: 3}}, "calibrations"),
        ({"calibrations": 3}, "calibrations"),
        ({"extra": 3}, "extra"),
    ],
)
def test_every_value_of_a_header_has_a_type_and_a_range(parts, tmp_path, change, place):
    header, arrays = parts
    path = write(tmp_path / "header.safetensors", json.dumps(merged(json.loads(header), change)), arrays)
    with pytest.raises(PfiqError, match=rf"header\.safetensors: .*{place}") as caught:
        load_recognizer(path)
    assert re.search(r"again with|upgrade|that `weights-convert convert`", str(caught.value))
    assert len(str(caught.value)) <= 300 + len(str(tmp_path))


def test_one_calibration_per_method(parts, tmp_path):
    header, arrays = parts
    twice = json.loads(header)
    twice["calibrations"] += twice["calibrations"][:1]
    with pytest.raises(PfiqError, match="one of the `calibrations` per method"):
        load_recognizer(write(tmp_path / "header.safetensors", json.dumps(twice), arrays))


@pytest.mark.parametrize(
    "value",
    ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000, "9" * 100_000, "1e999999", '"' + "a" * 10**6],
)
@pytest.mark.parametrize("place", ["dropout_rate", "unknown", "options", "format_version"])
def test_deep_headers_and_long_numbers_are_one_sentence(parts, tmp_path, value, place):
    header, arrays = parts
    known = json.loads(header)
    known.pop(place, None)
    text = f'{{"{place}": {value}, {json.dumps(known)[1:]}'
    with pytest.raises(PfiqError, match=r"header\.safetensors: ") as caught:
        load_recognizer(write(tmp_path / "header.safetensors", text, arrays))
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize(
    "change",
    [
        lambda r: dataclasses.replace(r, network=dataclasses.replace(r.network, epsilon=-1.0)),
        lambda r: dataclasses.replace(r, dropout_rate=7.0),
        lambda r: dataclasses.replace(r, storage_dtype="int8"),
        lambda r: r.calibrated(dataclasses.replace(r.calibrations["relative_norm"], alpha=np.float32(np.nan))),
        lambda r: r.calibrated(dataclasses.replace(r.calibrations["relative_norm"], alpha=np.float32(-50))),
    ],
)
def test_what_would_be_refused_is_not_written(change, recognizer, tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(PfiqError, match=rf"^{path}: "):
        change(recognizer).save(path)
    assert not path.exists()


@pytest.mark.parametrize("header", [None, "not json", "[]"])
def test_files_without_a_header(tmp_path, header):
    path = write(tmp_path / "bare.safetensors", header, {"x": np.zeros(1, np.float32)})
    with pytest.raises(PfiqError, match=r"bare\.safetensors: .*weights-convert convert"):
        load_recognizer(path)


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path, tmp_path / ("a" * 300), tmp_path / "a\0b"):
        with pytest.raises(PfiqError, match="no such weights file"):
            load_recognizer(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_files_give_one_sentence(tmp_path, data):
    whole = safetensors.numpy.save({"x": np.arange(64, dtype=np.float32)}, {HEADER: '{"format_version": 1}'})
    cut = data.draw(st.integers(0, len(whole)))
    flips = data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(1, 255)), max_size=4))
    mutated = bytearray(whole)
    for position, change in flips:
        mutated[position] ^= change
    path = tmp_path / "mutated.safetensors"
    path.write_bytes(bytes(mutated[:cut]))
    with pytest.raises(PfiqError, match=r"mutated\.safetensors: "):
        load_recognizer(path)
