"""``.pt``, ``.pth`` and ``.ckpt`` files written by ``torch.save``, read without torch."""

import functools
import io
import mmap
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from pfiq_jax.errors import PfiqError
from weights_convert.readers import checkpoints
from weights_convert.readers.pickles import Object, Unpickler
from weights_convert.source import Source

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".tar", ".pickle", ".th", ".model")  # ".tar" as in .pth.tar
KINDS = {"sparse": "sparse", "_qtensor": "quantised", "meta_tensor": "meta", "nested": "nested"}  # by parts of names
DATA_PARALLEL = "module"
OTHER_MACHINE = "it was written on a machine with another byte order"
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # of the format before torch 1.6, which is not a zip archive
DTYPES: Mapping[str, np.dtype] = {
    f"torch.{name}Storage": np.dtype(dtype)
    for name, dtype in {
        "BFloat16": jnp.bfloat16,
        "Bool": np.bool_,
        "Byte": np.uint8,
        "Char": np.int8,
        "Double": np.float64,
        "Float": np.float32,
        "Half": np.float16,
        "Int": np.int32,
        "Long": np.int64,
        "Short": np.int16,
    }.items()
}
GROWTH = 16  # times the file's bytes that all tensors may have together: several may share a storage
Storages = Callable[[str | bytes], bytes | memoryview]  # from the key of a storage to its bytes


def read(path: Path, entry: str = "") -> Source:
    """Every tensor of a state dict, or of a state dict in a checkpoint. Everything else in the file is ignored.

    The pickle in the file is read as data: objects of a training run are not created and their classes not required.

    Args:
        path: the file.
        entry: place of the state dict in the checkpoint, such as ``model_ema``; by default the most usual one.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return _source(path, entry, *_unzip(path, archive))
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if content[:2] == b"PK":
            raise ValueError("the end of its archive is missing")
        if content[:1] != pickle.PROTO:
            raise ValueError("it does not begin with a pickle")
        return _source(path, entry, *_unpack(content))


def _unzip(path: Path, archive: zipfile.ZipFile) -> tuple[Any, Storages]:
    """The pickled object and its storages. Unlike torch, ``zipfile`` compares their checksums when it reads them."""
    records = {record.filename.partition("/")[2]: record for record in archive.infolist()}
    if sum(record.compress_size for record in records.values()) > path.stat().st_size:
        raise ValueError("its archive claims more bytes than the file has")

    def content(name: str) -> bytes:
        if records[name].compress_type != zipfile.ZIP_STORED:
            raise ValueError("it is compressed, which torch never does")
        return archive.read(records[name])

    if "constants.pkl" in records:
        raise PfiqError(f"{path}: is a TorchScript program, not a state dict; {checkpoints.FIX}")
    if any(name.endswith(".npy") for name in archive.namelist()):
        raise PfiqError(f"{path}: is an archive of NumPy arrays (.npz); {checkpoints.FIX}")
    if "model.weights.h5" in archive.namelist():
        raise PfiqError(f"{path}: is a model of Keras 3; save it in Keras with `model.save('model.h5')`.")
    if "data.pkl" not in records:
        raise ValueError("it is an archive without a pickle")
    if "byteorder" in records and content("byteorder") != b"little":
        raise ValueError(OTHER_MACHINE)
    return Unpickler(io.BytesIO(content("data.pkl"))).load(), lambda key: content(f"data/{key!s}")


def _unpack(file: mmap.mmap) -> tuple[Any, Storages]:
    """The same for the format before torch 1.6: five pickles, then the storages, each after its length."""
    if Unpickler(file).load() != MAGIC_NUMBER:
        raise ValueError("it does not begin with the magic number")
    _version, system = Unpickler(file).load(), Unpickler(file).load()
    if not system.entries["little_endian"]:
        raise ValueError(OTHER_MACHINE)
    unpickler = Unpickler(file)
    content, keys = unpickler.load(), Unpickler(file).load()

    @functools.cache  # when the first tensor is read: before, tensors of other kinds are reported
    def storages() -> dict[str | bytes, memoryview]:
        widths = {}
        for pid in unpickler.persistent_ids:
            if pid[0] not in ("module", b"module"):  # a reference to source code, in the file of a whole model
                kind, key = _storage(pid)
                widths[key] = DTYPES[kind].itemsize
        if keys != sorted(widths):
            raise ValueError("its storages are not those that it refers to")
        found = {}
        for key in keys:
            length = widths[key] * int.from_bytes(file.read(8), "little")
            start = file.tell()
            file.seek(start + length)
            found[key] = memoryview(file)[start : start + length]
        return found

    return content, lambda key: storages()[key]


def _source(path: Path, entry: str, content: Any, storages: Storages) -> Source:
    @functools.cache
    def flat(kind: str, key: str | bytes) -> np.ndarray:
        """A storage; cached, because tensors may share it."""
        return np.frombuffer(storages(key), DTYPES[kind])

    chosen = checkpoints.choose(path, content, entry)
    arrays: dict[str, np.ndarray] = {}
    left = GROWTH * path.stat().st_size
    for name, tensor in chosen.tensors.items():
        if kind := _unreadable(tensor):
            raise PfiqError(f"{path}: {name[:60]} is a {kind} tensor, which cannot be converted; save it as float32.")
    for long_name, tensor in chosen.tensors.items():
        name = ".".join(part for part in long_name.split(".") if part != DATA_PARALLEL)
        if name in arrays:
            raise ValueError(f"two tensors have the name {name}")
        arrays[name] = _array(tensor, flat)
        left -= arrays[name].nbytes
        if left < 0:
            raise ValueError(f"its tensors have more than {GROWTH} times the bytes of the file")
    return Source(path, arrays, entry=chosen.place, other_entries=chosen.others)


def _unreadable(tensor: Object) -> str:
    """The kind of a tensor other than dense arrays of NumPy's dtypes; empty for those."""
    match tensor:
        case Object("torch._utils._rebuild_tensor_v3", (_, _, _, _, _, _, Object(dtype), *_)):
            return dtype.removeprefix("torch.")[:40]
        case Object("torch._utils._rebuild_tensor_v2", (Object(_, (("storage", Object(kind), *_),)), *_)):
            return "complex" if "Complex" in kind else ""
    return next((kind for word, kind in KINDS.items() if word in tensor.name), "")


def _array(tensor: Object, flat: Callable[[str, str | bytes], np.ndarray]) -> np.ndarray:
    match tensor:
        case Object(
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state", (Object() as data, *_)
        ):
            return _array(data, flat)
        case Object(
            "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2",
            (Object("persistent_id", (pid,)), offset, shape, strides, *_),
        ):
            storage = flat(*_storage(pid))
            if all(_is_index(number) for number in (offset, *shape, *strides)):
                width = storage.itemsize
                bytes_apart = [width * stride for stride in strides]
                array = np.ndarray(shape, storage.dtype, storage, width * offset, bytes_apart)
                if array.size <= storage.size:  # a stride of 0 repeats one element any number of times
                    return array
    raise ValueError(f"{tensor.name} does not create a plain tensor")


def _is_index(number: Any) -> bool:
    """Whether a number of a pickle is an integer of 64 bits. A long text, multiplied, would fill the memory."""
    return type(number) is int and abs(number) < 2**63


def _storage(pid: Any) -> tuple[str, str | bytes]:
    """The type and the key of a storage that the pickle refers to."""
    match pid:
        case ("storage" | b"storage", Object(kind), str(key) | bytes(key), _, _, *view):
            if kind in DTYPES and not any(view):
                return kind, key
    raise ValueError("it refers to something other than storages of numbers")
