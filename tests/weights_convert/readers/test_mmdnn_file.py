"""MMdnn's dictionary from every version of Python and NumPy, and hostile pickles."""

import base64
import pickle
import zlib

import numpy as np
import pytest

from pfiq_jax import PfiqError
from tests.weights_convert.damage import check_all_are_errors_or_go_unseen, damaged
from tests.weights_convert.hostile_pickles import LAUGHS, Call, exhausting, running
from tests.weights_convert.keras_files import MMDNN_LAYERS, npy_file, object_array, python2
from weights_convert.readers import read

PYTHON_2_7 = """
eNqlj09LwzAchpN2cxr/zW/QWzsYZQcPIsJ28mCwEyGgBxlpm9nBmjZ/OimusMsUz35Rv4HGbiI9efAl/CC/NzwPeQ/I9c09BAvw7MZMRdI9d9zl2O077jSTWlI+
yWTMvteXdK6Y2auE5szcvV7fqZz/Ba2siBdpXvpRJpmfFnM9o1LSEk0kizKutCwijQTcvEI83rTCwmBNYPh6K2wPw962jnWZMyRaxBqfYYChqdsetglcBkFw9WlS
DzzU4duD2KlEx7uzAQAhH4jdSuyRVsooFyiBya9g3wiwtU4MdfpDPaipF00qMFTSBY18GJUibfOVxUAcVuKIdJ7Y7DHRShw3LN3agq2X2nO69Zz85VkNzRiZMzKe
gurQ/wJWrIhs"""
RECONSTRUCT = np._core.multiarray._reconstruct


def check_is(path, expected):
    arrays = read(path).arrays
    assert arrays.keys() == {f"{layer}.{name}" for layer, weights in expected.items() for name in weights}
    for layer, weights in expected.items():
        for name, array in weights.items():
            assert arrays[f"{layer}.{name}"].dtype == array.dtype
            np.testing.assert_array_equal(arrays[f"{layer}.{name}"], array)


def refused(path, reason):
    with pytest.raises(PfiqError, match=rf"^{path}: is .* not in the MMdnn weights format \(.*{reason}"):
        read(path)


def test_a_file_of_this_python(tmp_path):
    np.save(tmp_path / "a.npy", MMDNN_LAYERS)
    check_is(tmp_path / "a.npy", MMDNN_LAYERS)


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("module", [b"numpy.core", b"numpy._core"])
def test_every_protocol_and_numpy(protocol, module, tmp_path):
    payload = pickle.dumps(object_array(MMDNN_LAYERS), protocol)
    if protocol < 4:  # from protocol 4 on, names are stored with their length
        payload = payload.replace(b"numpy._core", module)
    (tmp_path / "a.npy").write_bytes(npy_file(payload))
    check_is(tmp_path / "a.npy", MMDNN_LAYERS)


@pytest.mark.parametrize("protocol", range(3))
def test_python_2(protocol, tmp_path):
    (tmp_path / "a.npy").write_bytes(npy_file(python2(MMDNN_LAYERS, protocol)))
    check_is(tmp_path / "a.npy", MMDNN_LAYERS)


def test_a_file_that_python_2_7_and_numpy_1_16_wrote(tmp_path):
    (tmp_path / "a.npy").write_bytes(zlib.decompress(base64.b64decode(PYTHON_2_7)))
    weights = np.arange(4, dtype=np.float32).reshape(2, 2)
    check_is(tmp_path / "a.npy", {"conv0": {"weights": weights}, "bn0": {"mean": np.arange(2.0)}})


def test_arrays_of_all_kinds(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    kinds = {
        "by_column": np.asfortranarray(array),
        "big_endian": array.astype(">f4"),
        "strided": array[:, ::2],
        "half": array.astype(np.float16),
        "integers": array.astype(np.int64),
        "scalar": np.float32(3),
    }
    np.save(tmp_path / "a.npy", {"layer": kinds})
    check_is(tmp_path / "a.npy", {"layer": kinds})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (np.zeros(3, np.float32), "not contain a dictionary of layers"),
        ([np.zeros(3, np.float32)], "not contain a dictionary of layers"),
        (object_array([np.zeros(3, np.float32)]), "not contain a dictionary of layers"),
        (np.array([{"layer": {"w": np.zeros(3)}}]), "not contain a dictionary of layers"),
        ({}, "not contain a dictionary of layers"),
        ({"w": np.zeros(3)}, "w is not a dictionary of arrays"),
        ({"w": 3}, "w is not a dictionary of arrays"),
        ({"layer": {"w": [1.0, 2.0]}}, r"layer\.w is not an array"),
        ({"layer": {"w": object_array({})}}, "no bytes"),
        ({"layer": {"w": np.array(["text"])}}, "something other than numbers"),
        ({"layer": {"w": np.zeros(2, "f4,i4")}}, "something other than numbers"),
    ],
)
def test_other_content_is_refused(content, reason, tmp_path):
    np.save(tmp_path / "a.npy", content)
    refused(tmp_path / "a.npy", reason)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (Call(RECONSTRUCT, np.ndarray, (2**40,), b"f4"), "is not an array"),
        (Call(RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, (2**40,), np.dtype("f4"), False, b"1234")), "reshape"),
        (Call(RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, (1,), np.dtype("O"), False, b"pointers")), "than numbers"),
        (Call(RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, (1,), np.dtype("f4"), False, [1])), "has no bytes"),
        (Call(np.empty, (2**40,)), "is not an array"),
    ],
)
def test_an_array_is_as_large_as_its_bytes(weights, reason, tmp_path):
    (tmp_path / "a.npy").write_bytes(npy_file(pickle.dumps(object_array({"layer": {"w": weights}}), 3)))
    refused(tmp_path / "a.npy", reason)


def test_an_array_under_many_names_is_refused(tmp_path):
    array = np.zeros(2**20, np.uint8)
    payload = pickle.dumps(object_array({"layer": {str(index): array for index in range(1000)}}), 2)
    (tmp_path / "a.npy").write_bytes(npy_file(payload))
    refused(tmp_path / "a.npy", "larger than the file")


def test_no_pickle_runs_code_or_exhausts_the_machine(tmp_path):
    marker = tmp_path / "it ran"
    codec = pickle.dumps(object_array({"layer": {"w": np.zeros(2, np.float32)}}), 2).replace(b"latin1", b"base64")
    wrapped = python2({"layer": 1}, 2).replace(b"K\x01s", LAUGHS + b"s")
    files = []
    long = pickle.dumps(object_array({"l" * 10**6: dict.fromkeys(map(str, range(3000)), np.float32(0))}))
    for index, payload in enumerate([*running(marker), *exhausting(), codec, wrapped, long]):
        files.append(tmp_path / f"{index}.npy")
        files[-1].write_bytes(npy_file(payload))
    assert check_all_are_errors_or_go_unseen(files) == len(files)
    assert not marker.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_damage(protocol, tmp_path):
    sound = npy_file(pickle.dumps(object_array(MMDNN_LAYERS), protocol) if protocol else python2(MMDNN_LAYERS, 0))
    files = []
    for index, content in enumerate(damaged(sound, words=(b"conv0", b"scale", b"mean", b"weights"))):
        files.append(tmp_path / f"{index}.npy")
        files[-1].write_bytes(content)
    check_all_are_errors_or_go_unseen(files)
