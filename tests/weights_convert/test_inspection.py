"""The text that `inspect` and `convert` print."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pfiq_jax import PfiqError
from pfiq_jax.recognizers.provenance import Provenance
from weights_convert.inspection import describe, describe_origin
from weights_convert.mappings import MAPPINGS
from weights_convert.mappings.mapping import fit_names
from weights_convert.readers import read
from weights_convert.source import Source


@pytest.fixture(scope="module")
def source():
    """An IResNet-18 by its names."""
    wanted = fit_names(MAPPINGS[0], "iresnet18", Source(Path("a.pt"), {})).sources()
    return Source(Path("a.pt"), {name: np.zeros(2, np.float16) for name in wanted})


def lines(source, network=None):
    """The summary, by the label of each line, and the list of arrays."""
    text = describe(source, network).split("\n")
    summary = [line for line in text if not line.startswith("  ")]
    return dict(line.split(": ", 1) for line in summary), text[len(summary) :]


def test_a_known_network(source):
    summary, arrays = lines(source)
    assert summary.pop("problems").startswith("bn1.bias has shape (2,) instead of (64,) as trunk.stem.norm.bias; ")
    assert summary == {
        "file": "a.pt",
        "network": "iresnet18",
        "equally good matches": "magface_iresnet18",
        "BatchNorm epsilons": "not stated",
        "preprocessing": "not stated; (x - 127.5) * 0.00784314 is assumed",
        "channel order": "not stated; RGB is assumed",
        "dropout rate": "not stated",
        "arrays": f"{len(source.arrays)}, with {2 * len(source.arrays)} numbers",
    }
    assert arrays[0] == "  conv1.weight  2  float16"
    assert len(arrays) == len(source.arrays)


def test_what_differs_from_the_nearest_network(source):
    arrays = dict(source.arrays)
    for name in ("bn1.weight", "bn1.bias"):
        del arrays[name]
    arrays |= {f"extra.{number}": np.zeros(()) for number in range(8)}
    summary, described = lines(dataclasses.replace(source, arrays=arrays))
    total = len(source.arrays)
    shared = f"{(total - 2) / (total + 8):.1%}"
    assert summary["network"] == f"iresnet18 is the most similar, with {shared} of the arrays in common"
    assert summary["missing"] == "bn1.weight, bn1.bias"
    assert summary["also contains"] == ", ".join(f"extra.{number}" for number in range(8))
    assert described[-1] == "  extra.7  scalar  float64"


def test_a_named_network_is_compared_with(source):
    summary, _ = lines(source, "iresnet34")
    assert summary["network"].startswith("iresnet34 is the most similar, ")
    assert summary["missing"].startswith("layer1.2.bn1.weight, ")


def test_what_a_file_states(sface_source):
    summary, arrays = lines(sface_source)
    assert summary["network"] == "sface"
    assert summary["BatchNorm epsilons"] == "2e-05, 0.001"
    assert summary["preprocessing"] == "(x - 127.5) * 0.0078125"
    assert "  pre_fc1_weight  128x50176  float32" in arrays


def test_the_second_file_is_named(data):
    path = data / "weights" / "mobilefacenet_y1" / "model-0000.params"
    summary, _ = lines(read(path))
    assert summary["file"] == f"{path} with model-symbol.json"
    assert summary["network"] == "mobilefacenet"


def test_files_without_any_known_array():
    with pytest.raises(PfiqError, match="part of a known network"):
        describe(Source(Path("a.pt"), {"x": np.zeros(1)}))


def test_the_origin_of_a_conversion(recognizer):
    origin = Provenance(
        source="model-0000.params",
        source_sha256="12ab",
        companion="model-symbol.json",
        companion_sha256="34cd",
        license="none given",
        network="iresnet18",
        also_fits=("magface_iresnet18", "other"),
        assumed=("preprocessing",),
        given=("epsilon",),
        converter="weights_convert 1",
    )
    converted = dataclasses.replace(recognizer, provenance=origin, folded_batch_norms=True)
    assert list(describe_origin(converted)) == [
        "source: model-0000.params (SHA-256 12ab)",
        "second file: model-symbol.json (SHA-256 34cd)",
        "license: none given",
        "network: iresnet18",
        "equally good matches: magface_iresnet18, other; choose one of them with --network",
        "channel order: RGB (published value, not stated by the source)",
        "mean: 127.5 (published value, not stated by the source)",
        "scale: 0.0078125 (published value, not stated by the source)",
        "epsilon: 0.001, 2e-05 (given on the command line)",
        "dropout rate: 0.4 (stated by the source)",
        "note: give --channel-order, --mean, --scale if the network was trained with other values",
        "BatchNorms: folded into the previous layers by the exporter; their statistics are lost",
        "converter: weights_convert 1",
        "verified: no; `weights-convert verify` compares the output with its source",
    ]
    verified = dataclasses.replace(converted, provenance=dataclasses.replace(origin, verified="error: 1e-6"))
    assert list(describe_origin(verified))[-1] == "verified: error: 1e-6"
