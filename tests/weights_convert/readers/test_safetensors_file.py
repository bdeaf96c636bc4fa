"""Safetensors files of other projects."""

import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save_file

from tests.weights_convert.damage import check_all_are_errors_or_go_unseen, damaged
from weights_convert.readers import read

WEIGHT = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6)


def test_arrays_keep_their_types(tmp_path):
    arrays = {str(np.dtype(d)): WEIGHT.astype(d) for d in (np.float16, np.float32, np.float64, np.int64, np.uint8)}
    save_file(arrays, tmp_path / "a.safetensors")
    found = read(tmp_path / "a.safetensors").arrays
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_bfloat16_keeps_its_dtype_and_values(tmp_path):
    array = WEIGHT.astype(jnp.bfloat16)
    save_file({"w": array}, tmp_path / "a.safetensors")
    found = read(tmp_path / "a.safetensors").arrays["w"]
    assert found.dtype == jnp.bfloat16
    np.testing.assert_array_equal(found.astype(np.float32), array.astype(np.float32))


def test_damage(tmp_path):
    arrays = {
        "conv1.weight": WEIGHT,
        "bn1.weight": WEIGHT[0],
        "steps": np.array(7),
        "half": WEIGHT.astype(jnp.bfloat16),
    }
    save_file(arrays, tmp_path / "a.safetensors")
    files = []
    words = (b"conv1", b"F32", b"BF16", b"I64", b"[2,6]", b"[6]")
    for index, content in enumerate(damaged((tmp_path / "a.safetensors").read_bytes(), words=words)):
        files.append(tmp_path / f"{index}.safetensors")
        files[-1].write_bytes(content)
    check_all_are_errors_or_go_unseen(files)
