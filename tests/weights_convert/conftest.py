import importlib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from weights_convert.readers import Source, read


def required(name: str) -> ModuleType:
    """A module of an extra; without it the test is skipped, or fails where parity must be shown."""
    if "PFIQ_REQUIRE_PARITY" in os.environ:
        return importlib.import_module(name)
    return pytest.importorskip(name, exc_type=ImportError)


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    return required("torch")


@pytest.fixture(scope="session")
def onnx() -> ModuleType:
    required("onnx.reference")
    return required("onnx")


@pytest.fixture(scope="session")
def onnxruntime() -> ModuleType:
    return required("onnxruntime")


@pytest.fixture(scope="session")
def sface_onnx(data: Path, onnx: ModuleType) -> Path:
    return data / "weights" / "sface" / "face_recognition_sface_2021dec_int8bq.onnx"


@pytest.fixture(scope="session")
def sface_source(sface_onnx: Path) -> Source:
    return read(sface_onnx)


@pytest.fixture(scope="session")
def random_iresnet(torch: ModuleType) -> Callable:
    """IResNets whose every parameter and statistic is random, so that no two can be swapped unnoticed."""
    from weights_convert.torch_iresnet import TorchIResNet

    def build(depth: int, dim: int = 512, epsilon: float = 1e-5):
        generator = torch.Generator().manual_seed(depth)

        def uniform(tensor, low: float, high: float) -> None:
            tensor.data.uniform_(low, high, generator=generator)

        model = TorchIResNet(depth, dim, epsilon).eval()
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            elif isinstance(module, torch.nn.PReLU):
                uniform(module.weight, 0.05, 0.4)
            elif isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                # residual branches as small as in trained networks: else a hundred of them explode
                uniform(module.weight, *((0.1, 0.3) if name.endswith("bn3") else (0.5, 1.5)))
                uniform(module.bias, -0.5, 0.5)
                uniform(module.running_mean, -0.5, 0.5)
                uniform(module.running_var, 0.5, 2.0)
        uniform(model.fc.bias, -1.0, 1.0)
        return model

    return build
