"""Files for ``weights-convert``: each is refused in one sentence, or becomes a recogniser of finite numbers.

The torch and safetensors seeds fit MobileFaceNet, so that their damage passes through the whole conversion.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import jax
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from pfiq_jax import PfiqError, Recognizer
from pfiq_jax.recognizers.weights_file import named_leaves
from tests.fuzz.fuzzing import Costs, check_sentence, fuzz_less
from tests.weights_convert import mxnet_files, onnx_files
from tests.weights_convert.damage import damaged_once
from tests.weights_convert.keras_files import KERAS_LAYERS, MMDNN_LAYERS, write_keras
from weights_convert.convert import convert
from weights_convert.inspection import describe
from weights_convert.mappings.mapping import fit_names
from weights_convert.mappings.mobilefacenet import MOBILEFACENET
from weights_convert.readers import read
from weights_convert.source import Source

KINDS = ("safetensors", "torch", "torch legacy", "torch checkpoint", "onnx", "params", "symbol", "h5", "npy")
TORCH = {"torch": {}, "torch checkpoint": {}, "torch legacy": {"_use_new_zipfile_serialization": False}}


@pytest.fixture(scope="session")
def network() -> Mapping[str, np.ndarray]:
    """Random arrays that fit MobileFaceNet, under the names and in the layouts of its authors."""
    random = np.random.default_rng(0)
    fit = fit_names(MOBILEFACENET, "mobilefacenet", Source(Path("a"), {}))
    shapes = {name: leaf.shape for name, leaf in named_leaves(MOBILEFACENET.networks["mobilefacenet"].shapes())}
    arrays = {}
    for source, name in fit.sources().items():
        match (name, *shapes[name]):
            case ("head.kernel", _, _, inputs, outputs):
                shape = (outputs, inputs)
            case (_, height, width, inputs, outputs):
                shape = (outputs, inputs, height, width)
            case (_, height, width, channels):
                shape = (channels, 1, height, width)
            case (_, inputs, outputs):
                shape = (outputs, inputs, 1, 1)
            case (_, *shape):
                pass
        arrays[source] = random.uniform(0.5, 1.5, shape).astype(np.float16)
    return arrays


def small_seeds(folder: Path) -> dict[str, bytes]:
    """Sound files that fit no network."""
    h5py, _ = pytest.importorskip("h5py"), pytest.importorskip("onnx")
    nodes = [onnx_files.CONV, ("Relu", ["y"], "z", {}), ("Cast", ["w"], "w2", {"to": 10})]
    np.save(folder / "a.npy", MMDNN_LAYERS)
    return {
        "onnx": onnx_files.write(folder / "a.onnx", nodes, onnx_files.KERNEL).read_bytes(),
        "params": mxnet_files.write(folder / "a.params").read_bytes(),
        "symbol": (folder / "a-symbol.json").read_bytes(),
        "h5": write_keras(h5py, folder / "a.h5", KERAS_LAYERS).read_bytes(),
        "npy": (folder / "a.npy").read_bytes(),
    }


@pytest.fixture(scope="session")
def seeds(network: Mapping[str, np.ndarray], torch: ModuleType, tmp_path_factory) -> Mapping[str, bytes]:
    """A sound file of each kind."""
    state = {name: torch.tensor(array) for name, array in network.items()}
    contents = {"torch checkpoint": {"epoch": 3, "model": state, "optimizer": {"param_groups": [{"lr": 0.1}]}}}
    found = {"safetensors": safetensors.numpy.save(dict(network))}
    for kind, options in TORCH.items():
        buffer = io.BytesIO()
        torch.save(contents.get(kind, state), buffer, **options)
        found[kind] = buffer.getvalue()
    return {**found, **small_seeds(tmp_path_factory.mktemp("seeds"))}


def recognizer_or_error(path: Path) -> Recognizer | PfiqError:
    try:
        source = read(path)
        describe(source)
        return convert(source)
    except PfiqError as error:
        return error


def check_weights(path: Path) -> None:
    """Converts a file: it must become a recogniser of finite numbers or a sentence."""
    with Costs():
        found = recognizer_or_error(path)
    if isinstance(found, PfiqError):
        check_sentence(found, str(path))
        assert "MemoryError" not in str(found)
    else:
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found.parameters))


@pytest.mark.parametrize("kind", ["safetensors", *TORCH])
def test_the_seeds_fit_a_network(kind, seeds, tmp_path):
    (tmp_path / "a").write_bytes(seeds[kind])
    assert isinstance(recognizer_or_error(tmp_path / "a"), Recognizer)


@pytest.mark.parametrize("kind", KINDS)
@fuzz_less
@given(seed=st.integers(0, 2**32))
def test_damaged_files_are_recognizers_or_one_sentence(kind, seed, seeds, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    content = damaged_once(seeds[kind], seed, header=2**14)
    path = folder / f"fuzzed.{'params' if kind == 'symbol' else kind.split()[0]}"
    if kind in ("params", "symbol"):
        (folder / "fuzzed-symbol.json").write_bytes(content if kind == "symbol" else seeds["symbol"])
    path.write_bytes(seeds["params"] if kind == "symbol" else content)
    check_weights(path)
