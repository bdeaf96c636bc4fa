from pathlib import Path
from types import ModuleType

import pytest

from weights_convert.readers import read
from weights_convert.source import Source


@pytest.fixture(scope="session")
def onnx(required) -> ModuleType:
    required("onnx.reference")
    return required("onnx")


@pytest.fixture(scope="session")
def h5py(required) -> ModuleType:
    return required("h5py")


@pytest.fixture(scope="session")
def onnxruntime(required) -> ModuleType:
    return required("onnxruntime")


@pytest.fixture(scope="session")
def sface_onnx(data: Path, onnx: ModuleType) -> Path:
    return data / "weights" / "sface" / "face_recognition_sface_2021dec_int8bq.onnx"


@pytest.fixture(scope="session")
def sface_source(sface_onnx: Path) -> Source:
    return read(sface_onnx)


@pytest.fixture(scope="session")
def iresnet_source(random_iresnet, tmp_path_factory) -> Source:
    path = tmp_path_factory.mktemp("iresnet") / "backbone.pt"
    path.write_bytes(b"only its sha256 is taken")
    return Source(path, {name: tensor.numpy() for name, tensor in random_iresnet(18, dim=8).state_dict().items()})
