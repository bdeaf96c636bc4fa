import functools
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"

import jax
import numpy as np
import pytest
from jaxtyping import install_import_hook
from PIL import Image

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
install_import_hook("pfiq_jax", "beartype.beartype")  # before the first import of pfiq_jax

import pfiq_jax  # noqa: E402


@pytest.fixture(scope="session")
def data() -> Path:
    """What may not be copied into the project; see its own README for licences."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("PFIQ_DATA", default))
    if not folder.is_dir():
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"no test data in {folder}; set PFIQ_DATA")
    return folder


@pytest.fixture(scope="session")
def recognizer() -> pfiq_jax.Recognizer:
    return pfiq_jax.load_recognizer()


@pytest.fixture(scope="session")
def faces(data: Path) -> dict[str, np.ndarray]:
    """Aligned faces, (112, 112, 3) uint8 RGB, by names as ``skimage/astronaut``."""
    folder = data / "faces" / "aligned112"
    return {
        str(path.relative_to(folder).with_suffix("")): np.asarray(Image.open(path).convert("RGB"))
        for path in sorted(folder.glob("*/*.png"))
    }


@pytest.fixture(scope="session")
def required() -> Callable[[str], ModuleType]:
    """Imports a module of an extra; without it the test is skipped, or fails where parity must be shown."""
    if "PFIQ_REQUIRE_PARITY" in os.environ:
        return importlib.import_module
    return functools.partial(pytest.importorskip, exc_type=ImportError)


@pytest.fixture(scope="session")
def torch(required: Callable[[str], ModuleType]) -> ModuleType:
    return required("torch")


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
