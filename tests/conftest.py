import functools
import importlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import install_import_hook
from PIL import Image

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
install_import_hook("pfiq_jax", "beartype.beartype")  # before the first import of pfiq_jax

import pfiq_jax  # noqa: E402

REQUIRED = os.environ.get("PFIQ_REQUIRE", "").split()  # "data", "parity": what must not be missing, see .ci/run
MEMORY = 2 * 10**9  # bytes, from which on compiled programs are freed


def pytest_report_header(config: pytest.Config) -> str | None:
    if config.option.markexpr == "not slow":
        return "tests marked slow are left out; `pytest -m ''` runs them too"
    return None


@pytest.fixture(scope="session", autouse=True)
def _compilation_cache(pytestconfig: pytest.Config) -> None:
    """In pytest's cache, so that a second run compiles little.

    Not the user's, which the commands would take where none is set.
    """
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(pytestconfig.cache.mkdir("compiled")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="module", autouse=True)
def _free_compiled_programs() -> Iterator[None]:
    """Those of all modules together take several GB. What later modules share comes from the compilation cache."""
    yield
    pages = Path("/proc/self/statm")
    if not pages.exists() or int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") > MEMORY:
        jax.clear_caches()


@pytest.fixture(scope="session")
def data() -> Path:
    """What may not be copied into the project; see its own README for licences."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("PFIQ_DATA", default))
    if not folder.is_dir():
        (pytest.fail if "data" in REQUIRED else pytest.skip)(f"no test data in {folder}; set PFIQ_DATA")
    return folder


@pytest.fixture(scope="session")
def recognizer() -> pfiq_jax.Recognizer:
    return pfiq_jax.load_recognizer()


@pytest.fixture(scope="session")
def small() -> pfiq_jax.Recognizer:
    """A recogniser that compiles in no time."""
    return pfiq_jax.Recognizer.from_functions(
        lambda parameters, images: jnp.tanh(images[:, ::16, ::16] / 128 - 1),
        lambda parameters, features: features.reshape(features.shape[0], -1) @ parameters,
        jax.random.normal(jax.random.key(0), (7 * 7 * 3, 8)),
    )


@pytest.fixture(scope="session")
def random_parameters() -> Callable:
    """A network's parameters with random kernels, made without compiling its layers' initialisers."""

    def initialize(network: pfiq_jax.Architecture):
        generator = np.random.default_rng(0)

        def leaf(path, shape):
            if path[-1].key == "kernel":
                return generator.normal(0, (2 * shape.shape[-1] / shape.size) ** 0.5, shape.shape).astype(np.float32)
            return np.full(shape.shape, path[-1].key in ("scale", "var"), np.float32)

        return jax.device_put(jax.tree_util.tree_map_with_path(leaf, network.shapes()))

    return initialize


@pytest.fixture(scope="session")
def facenet(random_parameters: Callable) -> pfiq_jax.Recognizer:
    """FaceNet with random kernels: a recogniser of another size, with a head that pools."""
    network = pfiq_jax.InceptionResNetV1()
    preprocessing = pfiq_jax.Preprocessing(size=(160, 160), mean=(127.5,) * 3, scale=(1 / 128,) * 3)
    return pfiq_jax.Recognizer(random_parameters(network), network, preprocessing, dropout_rate=0.6)


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
    if "parity" in REQUIRED:
        return importlib.import_module
    return functools.partial(pytest.importorskip, exc_type=ImportError)


@pytest.fixture(scope="session")
def torch(required: Callable[[str], ModuleType]) -> ModuleType:
    return required("torch")


@pytest.fixture(scope="session")
def randomize(torch: ModuleType) -> Callable:
    """Makes every parameter and statistic of a network random, so that no two can be swapped unnoticed."""

    def fill(model, seed: int):
        generator = torch.Generator().manual_seed(seed)

        def uniform(tensor, low: float, high: float) -> None:
            tensor.data.uniform_(low, high, generator=generator)

        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    uniform(module.bias, -1.0, 1.0)
            elif isinstance(module, torch.nn.PReLU):
                uniform(module.weight, 0.05, 0.4)
            elif isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                if module.affine:
                    # residual branches as small as in trained networks; otherwise a hundred of them explode
                    closes_branch = re.search(r"bn3$|res_layer\.[45]$", name)
                    uniform(module.weight, *((0.1, 0.3) if closes_branch else (0.5, 1.5)))
                    uniform(module.bias, -0.5, 0.5)
                uniform(module.running_mean, -0.5, 0.5)
                uniform(module.running_var, 0.5, 2.0)
        return model.eval()

    return fill


@pytest.fixture(scope="session")
def random_iresnet(randomize: Callable) -> Callable:
    """IResNets with random parameters."""
    from weights_convert.torch_networks.iresnet import TorchIResNet

    def build(depth: int, dim: int = 512, epsilon: float = 1e-5):
        return randomize(TorchIResNet(depth, dim, epsilon), seed=depth)

    return build
