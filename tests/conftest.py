import os
from pathlib import Path

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
