"""``.pt``, ``.pth`` and ``.ckpt`` files that ``torch.save`` wrote; torch itself is not needed."""

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
from weights_convert.readers.pickles import Object, Unpickler
from weights_convert.source import Source

STATE_DICTS = (  # the names they have in checkpoints
    "state_dict",
    "state_dict_backbone",
    "model_state_dict",
    "model",
    "backbone",
    "net",
)
DATA_PARALLEL = "module"
OTHER_MACHINE = "it was written by a machine of another byte order"
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # of the format before torch 1.6, which is no zip
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
Storages = Callable[[str | bytes], bytes | memoryview]  # from the key of a storage to its bytes


def read(path: Path) -> Source:
    """Every tensor of a state dict, or of the state dict in a checkpoint; all that lies beside them is ignored.

    The pickle in the file is read as data, so that the objects of a training run are no obstacle and none is made.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return Source(path, _arrays(path, *_unzip(archive, path.stat().st_size)))
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if content[:2] == b"PK":
            raise ValueError("the end of its archive is missing")
        if content[:1] != pickle.PROTO:
            raise ValueError("it begins with no pickle")
        return Source(path, _arrays(path, *_unpack(content)))


def _unzip(archive: zipfile.ZipFile, size: int) -> tuple[Any, Storages]:
    """The pickled object and its storages, whose checksums ``zipfile`` compares on reading; torch does not."""
    records = {record.filename.partition("/")[2]: record for record in archive.infolist()}
    if sum(record.compress_size for record in records.values()) > size:
        raise ValueError("it announces more bytes than it has")

    def content(name: str) -> bytes:
        if records[name].compress_type != zipfile.ZIP_STORED:
            raise ValueError("it is compressed, as torch never does")
        return archive.read(records[name])

    if "data.pkl" not in records:
        raise ValueError("it is an archive of something else")
    if "byteorder" in records and content("byteorder") != b"little":
        raise ValueError(OTHER_MACHINE)
    return Unpickler(io.BytesIO(content("data.pkl"))).load(), lambda key: content(f"data/{key!s}")


def _unpack(file: mmap.mmap) -> tuple[Any, Storages]:
    """The same from the format before torch 1.6: five pickles, then the storages, each behind its length."""
    if Unpickler(file).load() != MAGIC_NUMBER:
        raise ValueError("it begins with no magic number")
    _version, system = Unpickler(file).load(), Unpickler(file).load()
    if not system.entries["little_endian"]:
        raise ValueError(OTHER_MACHINE)
    unpickler = Unpickler(file)
    content, keys = unpickler.load(), Unpickler(file).load()
    widths = {}
    for pid in unpickler.persistent_ids:
        if pid[0] not in ("module", b"module"):  # of a whole model, with its source code
            kind, key = _storage(pid)
            widths[key] = DTYPES[kind].itemsize
    if keys != sorted(widths):
        raise ValueError("it holds other storages than it refers to")
    storages = {}
    for key in keys:
        length = widths[key] * int.from_bytes(file.read(8), "little")
        start = file.tell()
        file.seek(start + length)
        storages[key] = memoryview(file)[start : start + length]
    return content, storages.__getitem__


def _arrays(path: Path, content: Any, storages: Storages) -> dict[str, np.ndarray]:
    @functools.cache
    def flat(kind: str, key: str | bytes) -> np.ndarray:
        """A storage, in float32 where NumPy lacks the type; cached, since tensors may share it."""
        array = np.frombuffer(storages(key), DTYPES[kind])
        return array.astype(np.float32) if DTYPES[kind] == jnp.bfloat16 else array

    tensors = _state_dict(content)
    if not tensors:
        raise PfiqError(
            f"{path}: holds something else than a state dict of tensors; "
            "give a file that `torch.save(model.state_dict(), path)` wrote."
        )
    arrays: dict[str, np.ndarray] = {}
    for long_name, tensor in tensors.items():
        name = ".".join(part for part in long_name.split(".") if part != DATA_PARALLEL)
        if name in arrays:
            raise ValueError(f"two tensors go by the name {name}")
        arrays[name] = _array(tensor, flat)
    return arrays


def _state_dict(content: Any) -> dict[str, Object]:
    """The tensors of the first of the usual places that has any."""
    checkpoint = _entries(content)
    for place in (*(_entries(checkpoint.get(name)) for name in STATE_DICTS), checkpoint):
        tensors = {name: value for name, value in place.items() if _is_tensor(value)}
        if tensors:
            return tensors
    return {}


def _entries(value: Any) -> dict[str, Any]:
    match value:
        case Object("collections.OrderedDict", (list(pairs),)):  # as Python 2 pickles it
            made = Object("dict")
            for key, entry in pairs:
                made[key] = entry
            return made.entries
        case Object():
            return value.entries
    return {}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Object) and value.name.startswith("torch._utils._rebuild_")


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
            width = storage.itemsize
            array = np.ndarray(shape, storage.dtype, storage, width * offset, [width * stride for stride in strides])
            if array.size <= storage.size:  # a stride of 0 makes any number of elements out of one
                return array
    raise ValueError(f"{tensor.name} makes no plain tensor")


def _storage(pid: Any) -> tuple[str, str | bytes]:
    """The type and the key of a storage that the pickle refers to."""
    match pid:
        case ("storage" | b"storage", Object(kind), str(key) | bytes(key), _, _, *view):
            if kind in DTYPES and not any(view):
                return kind, key
    raise ValueError("it refers to something else than storages of numbers")
