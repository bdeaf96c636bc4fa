"""Headers of converted weights, damaged: each is refused in one sentence, or gives finite scores."""

import copy
import json
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from pfiq_jax import PfiqError, load_detector, load_recognizer
from pfiq_jax.detection import detector as detector_file
from pfiq_jax.recognizers.header import fields_of, header_of
from pfiq_jax.recognizers.weights_file import HEADER
from tests.fuzz.fuzzing import Costs, check_sentence, fuzz
from tests.weights_convert.damage import damaged_once

NUMBERS = (0, 1, -1, 2**31, 2**62, 10**300, -(10**5), 1e-320, 1e308, -0.0, True)
DEEP = 200  # lists within lists

numbers = st.one_of(st.integers(), st.floats(), st.sampled_from(NUMBERS))
leaves = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=20))
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@st.composite
def changed(draw: st.DrawFn, sound: Any) -> Any:
    """A JSON value with one to three of its parts replaced, removed or renamed, at any depth."""
    tree = {"root": copy.deepcopy(sound)}
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = tree
        key: Any = "root"
        while isinstance(holder[key], dict | list) and holder[key] and draw(st.integers(0, 3)):
            holder = holder[key]
            key = draw(st.sampled_from([*holder] if isinstance(holder, dict) else range(len(holder))))
        match draw(st.sampled_from(("replace", "replace", "number", "remove", "rename", "nest"))):
            case "remove" if holder is not tree:
                del holder[key]
            case "rename" if isinstance(holder, dict) and holder is not tree:
                holder[draw(st.text(max_size=12))] = holder.pop(key)
            case "number":
                holder[key] = draw(numbers)
            case "nest":
                for _ in range(draw(st.sampled_from((1, 3, DEEP)))):
                    holder[key] = [holder[key]]
            case _:
                holder[key] = draw(values)
    return tree["root"]


def check_header(content: bytes) -> None:
    """Reads a header: it must be refused in a sentence, or hold values within their ranges."""
    fields: dict[str, Any] | PfiqError
    with Costs():
        try:
            fields = fields_of(content)
        except PfiqError as error:
            fields = error
    if isinstance(fields, PfiqError):
        assert len(str(fields)) <= 300
        return
    assert 0 <= fields["dropout_rate"] < 1
    assert all(0 < value < 1 for name, value in vars(fields["network"]).items() if name.endswith("epsilon"))
    assert np.isfinite([*fields["preprocessing"].mean, *fields["preprocessing"].scale]).all()
    for calibration in fields["calibrations"].values():
        assert 0 < float(calibration.scale(calibration.r)) < 1


@fuzz
@given(data=st.data())
def test_changed_headers_are_refused_or_within_their_ranges(data, recognizer):
    check_header(json.dumps(data.draw(changed(header_of(recognizer)))).encode())


@fuzz
@given(data=st.data())
def test_changed_headers_of_detectors_are_refused_or_read(data):
    content = json.dumps(data.draw(changed(detector_file.header_of(load_detector())))).encode()
    fields: dict[str, Any] | PfiqError
    with Costs():
        try:
            fields = detector_file.fields_of(content)
        except PfiqError as error:
            fields = error
    if isinstance(fields, PfiqError):
        assert len(str(fields)) <= 300
    else:
        assert fields["storage_dtype"] in ("float32", "float16", "bfloat16")


@fuzz
@given(seed=st.integers(0, 2**32))
def test_damaged_files_are_one_sentence(seed, recognizer, tmp_path_factory):
    header = {"format_version": 1, **header_of(recognizer)}
    whole = safetensors.numpy.save({"head.bias": np.zeros(128, np.float32)}, {HEADER: json.dumps(header)})
    path = tmp_path_factory.getbasetemp() / "fuzzed.safetensors"
    path.write_bytes(damaged_once(whole, seed, header=2**12))
    with Costs(), pytest.raises(PfiqError) as caught:  # at least, most arrays are missing
        load_recognizer(path)
    check_sentence(caught.value, str(path))
