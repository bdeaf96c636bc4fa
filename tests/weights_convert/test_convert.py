"""Arrays to recognisers: strict both ways, and all that is wrong with a file at once."""

import dataclasses

import jax
import numpy as np
import pytest

from pfiq_jax import ARCFACE_MXNET, IResNet, PfiqError, SFace, load_recognizer
from pfiq_jax.recognizers.weights_file import named_leaves
from weights_convert.convert import LARGE, convert
from weights_convert.mappings import MAPPINGS, choose
from weights_convert.mappings.iresnet import MAPPING as IRESNET
from weights_convert.readers import Source


@pytest.fixture(scope="session")
def iresnet_source(random_iresnet, tmp_path_factory) -> Source:
    path = tmp_path_factory.mktemp("iresnet") / "backbone.pt"
    path.write_bytes(b"only its sha256 is taken")
    return Source(path, {name: tensor.numpy() for name, tensor in random_iresnet(18, dim=8).state_dict().items()})


def changed(source, **arrays):
    """The source with some arrays replaced, added, or (None) left out; ``__`` stands for a dot."""
    merged = {**source.arrays, **{name.replace("__", "."): array for name, array in arrays.items()}}
    return dataclasses.replace(source, arrays={name: a for name, a in merged.items() if a is not None})


def test_sface(sface_source):
    recognizer = convert(sface_source)
    assert recognizer.network == SFace()
    assert recognizer.preprocessing == ARCFACE_MXNET
    assert recognizer.dropout_rate == 0.4
    provenance = dict(recognizer.provenance)
    assert provenance["source"] == "face_recognition_sface_2021dec_int8bq.onnx"
    assert provenance["source_sha256"].startswith("fb143eea07838aa5")
    assert provenance["license"].startswith("Apache-2.0")
    assert dict(convert(sface_source, license="mine").provenance)["license"] == "mine"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_saved_and_loaded_bit_for_bit(dtype, sface_source, tmp_path):
    recognizer = convert(sface_source, dtype=dtype)
    recognizer.save(tmp_path / "a.safetensors")
    loaded = load_recognizer(tmp_path / "a.safetensors")
    jax.tree.map(np.testing.assert_array_equal, loaded.parameters, recognizer.parameters)
    assert jax.tree.structure(loaded) == jax.tree.structure(recognizer)  # all that is static
    loaded.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_float16_rounds_large_kernels_only(sface_source):
    exact, rounded = (named_leaves(convert(sface_source, dtype=d).parameters) for d in ("float32", "float16"))
    for (name, a), (_, b) in zip(exact, rounded, strict=True):
        expected = a.astype(np.float16).astype(np.float32) if a.size >= LARGE else a
        np.testing.assert_array_equal(b, expected, err_msg=name)


def test_float16_overflow_is_said(iresnet_source):
    source = changed(iresnet_source, layer4__0__conv2__weight=np.full((512, 512, 3, 3), 1e5, np.float32))
    with pytest.raises(PfiqError, match="beyond float16's range"):
        convert(source, dtype="float16")


@pytest.mark.parametrize("depth", [18, 34, 50, 100, 200])
def test_every_depth_is_found_by_its_names(depth, torch):
    from weights_convert.torch_networks.iresnet import TorchIResNet

    with torch.device("meta"):
        model = TorchIResNet(depth, 512, 1e-5)
    source = Source("a.pt", {name: np.broadcast_to(np.float32(0), t.shape) for name, t in model.state_dict().items()})
    architecture, mapping = choose(source)
    assert architecture == f"iresnet{depth}"
    wanted = jax.eval_shape(mapping.build(architecture, source, None).initialize, jax.random.key(0))
    found = {name: array.shape for name, array in mapping.translate(source).items()}
    assert found == {name: leaf.shape for name, leaf in named_leaves(wanted)}


def test_at_most_one_rule_fits_a_name(iresnet_source, sface_source):
    rules = [rule for mapping in MAPPINGS for rule in mapping.rules]
    assert len({rule.source for rule in rules}) == len(rules)
    for source in (iresnet_source, sface_source):
        _, mapping = choose(source)
        targets = mapping.translate(source)
        assert len(targets) == sum(map(mapping.fits, source.arrays))


def test_every_mistake_is_in_one_message(iresnet_source):
    nan = iresnet_source.arrays["prelu.weight"].copy()
    nan[3] = np.nan
    source = changed(
        iresnet_source,
        bn1__running_mean=None,
        layer2__1__conv1__weight=None,
        prelu__weight=nan,
        features__bias=np.zeros(9, np.float32),
        layer1__0__conv1__weight=np.zeros((64, 64), np.float32),
        layer1__0__bn1__weight=np.zeros(64, np.int64),
        qs__weight=np.zeros((1, 8), np.float32),
    )
    with pytest.raises(PfiqError) as caught:
        convert(source)
    message = str(caught.value)
    assert message.startswith(f"{source.path}, which resembles iresnet18 most: ")
    for problem in (
        "trunk.stem.norm.mean is missing",
        "trunk.stages.1.1.conv1.kernel is missing",
        "trunk.stem.prelu.slope holds NaN",
        "head.output_norm.bias has shape (9,) instead of (8,)",
        "trunk.stages.0.0.conv1.kernel has shape (64, 64) instead of (3, 3, 64, 64)",
        "trunk.stages.0.0.norm1.scale has dtype int64",
        "qs.weight is not part of the network",
    ):
        assert problem in message
    assert message.count(";") == 6


def test_two_arrays_for_one_place(iresnet_source, monkeypatch):
    again = dataclasses.replace(IRESNET.rules[0], source="stem")
    mapping = dataclasses.replace(IRESNET, rules=(*IRESNET.rules, again))
    monkeypatch.setattr("weights_convert.mappings.MAPPINGS", (mapping,))
    with pytest.raises(PfiqError, match=r"stem, a second trunk\.stem\.conv\.kernel, is not part of the network"):
        convert(changed(iresnet_source, stem=iresnet_source.arrays["conv1.weight"]))


def test_counters_and_classifiers_are_ignored(iresnet_source):
    classifier = np.zeros((10, 8), np.float32)
    source = changed(iresnet_source, weight=classifier, head__kernel=classifier, bn1__num_batches_tracked=None)
    assert convert(source).network == IResNet(18, dim=8)


def test_the_architecture_can_be_overruled_and_then_must_fit(iresnet_source):
    assert convert(iresnet_source, architecture="iresnet18").network == IResNet(18, dim=8)
    with pytest.raises(
        PfiqError, match=r"does not fit IResNet\(depth=34.*trunk\.stages\.0\.2\.conv1\.kernel is missing"
    ):
        convert(iresnet_source, architecture="iresnet34")
    with pytest.raises(PfiqError, match=r"does not fit SFace.*layer1\.0\.conv1\.weight is not part of the network"):
        convert(iresnet_source, architecture="sface")
    with pytest.raises(PfiqError, match="'vgg' is no known architecture; choose one of iresnet18, "):
        convert(iresnet_source, architecture="vgg")


def test_what_resembles_nothing(iresnet_source):
    source = dataclasses.replace(iresnet_source, arrays={"stages.0": np.zeros(3, np.float32)})
    with pytest.raises(PfiqError, match=r"none of its 1 arrays \(stages\.0, \.\.\.\) is part of a known architecture"):
        convert(source)


def test_epsilons_are_read_from_graphs_that_state_them(iresnet_source):
    assert convert(iresnet_source).network.epsilon == 1e-5
    stated = dataclasses.replace(iresnet_source, attributes={"bn1.epsilon": 2e-5, "bn1.momentum": 0.9})
    assert convert(stated).network.epsilon == 2e-5
    assert convert(stated, epsilon=1e-3).network.epsilon == 1e-3


@pytest.mark.parametrize("epsilon", [0.0, -1e-5, float("nan"), 2.0])
def test_what_is_no_epsilon(epsilon, iresnet_source):
    with pytest.raises(PfiqError, match="is no BatchNorm epsilon"):
        convert(iresnet_source, epsilon=epsilon)


@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (0, 7, 7), (1, 1, 1, 1, 1)])
@pytest.mark.parametrize(
    "name", ["conv1.weight", "layer2.0.downsample.0.weight", "prelu.weight", "fc.weight", "fc.bias"]
)
def test_an_array_of_any_shape_is_reported(name, shape, iresnet_source):
    with pytest.raises(PfiqError, match=" has shape "):
        convert(changed(iresnet_source, **{name: np.ones(shape, np.float32)}))


def test_epsilons_that_disagree(iresnet_source, sface_source):
    stated = {**sface_source.attributes, "conv_3_batchnorm.epsilon": 1e-5}
    with pytest.raises(PfiqError, match=r"several epsilons \[1e-05, 0\.001\]"):
        convert(dataclasses.replace(sface_source, attributes=stated))
    with pytest.raises(PfiqError, match="leave --epsilon out"):
        convert(sface_source, epsilon=1e-5)
    with pytest.raises(PfiqError, match="several BatchNorm epsilons"):
        convert(dataclasses.replace(iresnet_source, attributes={"bn1.epsilon": 1e-5, "bn2.epsilon": 2e-5}))


@pytest.mark.parametrize("scalar", [None, np.ones(3, np.float32), np.array([np.nan], np.float32)])
def test_sface_without_its_preprocessing(scalar, sface_source):
    with pytest.raises(PfiqError, match="scalar_op2"):
        convert(changed(sface_source, scalar_op2=scalar))
