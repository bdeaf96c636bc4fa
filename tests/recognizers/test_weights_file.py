"""Weight files: bit for bit, and every way they can be broken."""

import json

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


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "resnext"},
        {"architecture": "iresnet", "options": {"depth": 7}},
        {"options": {"unknown": 1}},
        {"options": []},
        {"preprocessing": {"size": "big"}},
        {"preprocessing": None},
        {"dropout_rate": "much"},
        {"format_version": 99},
        {"provenance": 3},
        {"provenance": {"source": "a.pt", "colour": "red"}},
    ],
)
def test_broken_headers(parts, tmp_path, change):
    header, arrays = parts
    path = write(tmp_path / "header.safetensors", json.dumps(json.loads(header) | change), arrays)
    with pytest.raises(PfiqError, match=r"header\.safetensors: .*(again|upgrade)"):
        load_recognizer(path)


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
