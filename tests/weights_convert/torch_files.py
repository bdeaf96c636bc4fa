"""torch files made by hand, valid or not."""

import collections
import io
import pickle
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.weights_convert.hostile_pickles import Call


class Reference(tuple):
    """Pickled as a reference to a storage."""


def archive(path: Path, content: Any, compression: int = zipfile.ZIP_STORED, **records: bytes) -> None:
    """Writes a zip file like torch, with any content and records."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, content: Any) -> tuple | None:
            return tuple(content) if isinstance(content, Reference) else None

    file = io.BytesIO()
    Pickler(file, 2).dump(content)
    with zipfile.ZipFile(path, "w", compression) as written:
        for name, record in {"data.pkl": file.getvalue(), **records}.items():
            written.writestr(f"archive/{name}", record)


def tensor(torch: ModuleType, shape: Any, strides: Any, offset: Any = 0, *, key: Any = "0", count: int = 12) -> Call:
    """A tensor as torch pickles it, with any shape and strides in a storage of any key and size."""
    reference = Reference(("storage", torch.FloatStorage, key, "cpu", count))
    return Call(torch._utils._rebuild_tensor_v2, reference, offset, shape, strides, False, collections.OrderedDict())
