from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from tests.weights_convert import onnx_files


@pytest.fixture
def write(onnx: ModuleType, tmp_path: Path) -> Callable[..., Path]:
    """Writes nodes and arrays as ``a.onnx``, see ``onnx_files.write``."""
    return partial(onnx_files.write, tmp_path / "a.onnx")
