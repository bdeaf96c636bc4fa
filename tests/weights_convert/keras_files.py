"""Small files for Keras: MMdnn's dictionary from every version of Python, and Keras's HDF5."""

import io
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.lib import format as npy

Layers = Mapping[str, Mapping[str, Any]]


def layers(kernel: str, *norm: str) -> Layers:
    """A convolution, a BatchNorm and a dense layer with arrays of these names."""
    random = np.random.default_rng(0)
    shapes = {"conv0": {kernel: (3, 3, 3, 4)}, "bn0": dict.fromkeys(norm, (4,)), "pre_fc1": {kernel: (36, 5)}}
    return {n: {k: random.random(s, np.float32) for k, s in arrays.items()} for n, arrays in shapes.items()}


MMDNN_LAYERS = layers("weights", "scale", "bias", "mean", "var")
KERAS_LAYERS = layers("kernel", "gamma", "beta", "moving_mean", "moving_variance")


def npy_file(payload: bytes) -> bytes:
    """NumPy's header, followed by the pickle of an array of objects."""
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    return file.getvalue() + payload


def object_array(content: Any) -> np.ndarray:
    """The array without axes that ``np.save`` creates for an object that is not an array."""
    array = np.empty((), object)
    array[()] = content
    return array


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes in the same way, like the pickler of Python 2, in protocols 0 to 2."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def save_string(self, text: str | bytes) -> None:
        content = text.encode() if isinstance(text, str) else text
        if self.bin:
            self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        else:
            self.write(pickle.STRING + repr(content).removeprefix("b").encode() + b"\n")
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = save_string


def python2(content: Any, protocol: int) -> bytes:
    """``content`` as Python 2 pickles it, with the names of NumPy's modules before version 2."""
    file = io.BytesIO()
    Python2Pickler(file, protocol).dump(object_array(content))
    return file.getvalue().replace(b"cnumpy._core.", b"cnumpy.core.")


def write_keras(h5py, path: Path, layers: Layers, *, root: str = "/", libver: str = "earliest", **options: Any) -> Path:
    """Writes layers in Keras's HDF5 format below a group. Options, such as ``compression``, apply to each dataset."""
    with h5py.File(path, "w", libver=libver) as file:
        top = file.require_group(root)
        top.attrs["layer_names"] = [name.encode() for name in layers]
        top.attrs["keras_version"] = b"2.2.4"
        for name, arrays in layers.items():
            group = top.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{array}:0".encode() for array in arrays]
            for array, values in arrays.items():
                group.create_dataset(f"{name}/{array}:0", data=values, **options)
    return path
