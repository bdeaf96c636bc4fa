"""Keras's HDF5 files: names, and all the ways in which HDF5 can refer to other files."""

import numpy as np
import pytest

from pfiq_jax import PfiqError
from tests.weights_convert.damage import check_all_are_errors_or_go_unseen, damaged
from tests.weights_convert.keras_files import KERAS_LAYERS, write_keras
from weights_convert.readers import read

ARRAYS = {f"{layer}/{name}": array for layer, weights in KERAS_LAYERS.items() for name, array in weights.items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


def check_is(path, expected):
    arrays = read(path).arrays
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def refused(path, reason):
    with pytest.raises(PfiqError, match=rf"^{path}: .*{reason}") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_weights(libver, h5py, path):
    check_is(write_keras(h5py, path, KERAS_LAYERS, libver=libver), ARRAYS)


def test_a_whole_model_is_read_without_its_optimizer(h5py, path):
    write_keras(h5py, path, KERAS_LAYERS, root="model_weights")
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = b"code"
        file["optimizer_weights/conv0/kernel:0"] = np.zeros(3, np.float32)
    check_is(path, ARRAYS)


def test_names_are_the_last_two_parts(h5py, path):
    with h5py.File(path, "w") as file:
        file["bn0/network/bn0/gamma:0"] = np.ones(2, np.float16)
        file["conv0/conv0/kernel"] = np.ones(2, np.float64)  # Keras 3 does not number the uses of an array
    check_is(path, {"bn0/gamma": np.ones(2, np.float16), "conv0/kernel": np.ones(2)})


def test_two_arrays_of_one_name(h5py, path):
    with h5py.File(path, "w") as file:
        file["one/bn0/gamma:0"] = file["other/bn0/gamma:0"] = np.ones(2, np.float32)
    refused(path, "two arrays have the name bn0/gamma")


@pytest.mark.parametrize("name", ["layers/conv2d/vars/0", "layers/sequential/layers/dense/vars/1", "vars/0"])
def test_keras_3_weights_have_no_names(name, h5py, path):
    with h5py.File(path, "w") as file:
        file[name] = np.ones(2, np.float32)
    refused(path, r"save the whole model with `model\.save\('model\.h5'\)`")


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"chunks": True}, {"shuffle": True}])
def test_chunks_are_refused(options, h5py, path):
    write_keras(h5py, path, {"conv0": {"kernel": np.zeros((3, 3), np.float32)}}, **options)
    refused(path, "rewrite it with `h5repack -l CONTI -f NONE`")


def secret(h5py, tmp_path):
    """Another file, which must not be read."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["bn0/gamma"] = np.arange(2, dtype=np.float32)
    return str(tmp_path / "secret.h5")


@pytest.mark.parametrize("root", ["", "model_weights/"])
@pytest.mark.parametrize("place", ["bn0", "bn0/gamma"])
def test_links_are_not_followed(root, place, h5py, path, tmp_path):
    with h5py.File(path, "w") as file:
        file[f"{root}conv0/kernel"] = np.ones(2, np.float32)
        file[f"{root}{place}"] = h5py.ExternalLink(secret(h5py, tmp_path), place)
        file[f"{root}soft"] = h5py.SoftLink(f"/{root}conv0")
        file[f"{root}circle"] = file["/"]
    check_is(path, {"conv0/kernel": np.ones(2, np.float32)})


def test_a_link_for_the_root_is_not_followed(h5py, path, tmp_path):
    with h5py.File(path, "w") as file:
        file["model_weights"] = h5py.ExternalLink(secret(h5py, tmp_path), "/")
    refused(path, "does not contain any arrays")


def test_data_of_other_files_are_refused(h5py, path, tmp_path):
    with h5py.File(path, "w") as file:
        external = [(secret(h5py, tmp_path), 0, 8)]
        file.create_dataset("bn0/gamma", (2,), np.float32, external=external)
    refused(path, "stored in another file")
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout((2,), np.float32)
        layout[:] = h5py.VirtualSource(secret(h5py, tmp_path), "bn0/gamma", (2,))
        file.create_virtual_dataset("bn0/gamma", layout)
    refused(path, "stored in another file")


@pytest.mark.parametrize("shape", [(2**40,), (2,), None])
def test_shapes_without_data_are_refused(shape, h5py, path):
    with h5py.File(path, "w") as file:
        file.create_dataset("bn0/gamma", shape, np.float32)
    refused(path, "bn0/gamma is not an array of numbers")


def test_data_shared_by_several_arrays_are_refused(h5py, path):
    size = 2**18
    with h5py.File(path, "w") as file:
        file["bn0/gamma"] = np.zeros(size, np.uint8)
        file.create_dataset("bn0/beta", size, np.uint8)
        address = file["bn0/gamma"].id.get_offset()
    size, nowhere = size.to_bytes(8, "little"), b"\xff" * 8
    content = path.read_bytes()
    assert content.count(nowhere + size) == 1
    path.write_bytes(content.replace(nowhere + size, address.to_bytes(8, "little") + size))
    refused(path, "larger than the file")


def test_files_without_numbers(h5py, path):
    h5py.File(path, "w").close()
    refused(path, "does not contain any arrays")
    for values in ("text", b"text", [1j], np.zeros(2, "f4,i4")):
        with h5py.File(path, "w") as file:
            file["bn0/gamma"] = values
        refused(path, "bn0/gamma is not an array of numbers")


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_damage(libver, h5py, path):
    sound = write_keras(h5py, path, KERAS_LAYERS, libver=libver).read_bytes()
    files = []
    for index, content in enumerate(damaged(sound, words=(b"conv0", b"beta:0", b"gamma:0", b"moving_mean:0"))):
        files.append(path.with_name(f"{index}.h5"))
        files[-1].write_bytes(content)
    check_all_are_errors_or_go_unseen(files)
