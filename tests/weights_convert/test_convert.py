"""Arrays to recognisers: strict both ways, and all that is wrong with a file at once, in the file's own names."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from pfiq_jax import ARCFACE_MXNET, ARCFACE_TORCH, IResNet, PfiqError, SFace, load_recognizer
from pfiq_jax.recognizers.weights_file import named_leaves
from tests.fuzz.fuzzing import check_sentence
from tests.weights_convert.spellings import channels_last
from weights_convert.convert import LARGE, configure, convert, in_library_layout
from weights_convert.mappings import MAPPINGS, choose
from weights_convert.mappings.mapping import fit_names
from weights_convert.source import Source


def changed(source, **arrays):
    """The source with some arrays replaced, added, or (None) left out; ``__`` stands for a dot."""
    merged = {**source.arrays, **{name.replace("__", "."): array for name, array in arrays.items()}}
    return dataclasses.replace(source, arrays={name: a for name, a in merged.items() if a is not None})


def test_sface(sface_source):
    recognizer = convert(sface_source)
    assert recognizer.network == SFace()
    assert recognizer.preprocessing == ARCFACE_MXNET
    assert recognizer.dropout_rate == 0.4
    assert not recognizer.folded_batch_norms
    provenance = recognizer.provenance
    assert provenance.source == "face_recognition_sface_2021dec_int8bq.onnx"
    assert provenance.source_sha256.startswith("fb143eea07838aa5")
    assert provenance.license.startswith("Apache-2.0")
    assert provenance.network == "sface"
    assert (provenance.assumed, provenance.given) == ((), ())
    assert convert(sface_source, license_text="mine").provenance.license == "mine"


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_saved_and_loaded_bit_for_bit_and_converted_twice_to_the_same_bytes(dtype, sface_source, tmp_path):
    recognizer = convert(sface_source, dtype=dtype)
    recognizer.save(tmp_path / "a.safetensors")
    loaded = load_recognizer(tmp_path / "a.safetensors")
    jax.tree.map(np.testing.assert_array_equal, loaded.parameters, recognizer.parameters)
    for field in dataclasses.fields(recognizer):
        if field.name != "parameters":
            assert getattr(loaded, field.name) == getattr(recognizer, field.name)
    loaded.save(tmp_path / "b.safetensors")
    convert(sface_source.path, dtype=dtype).save(tmp_path / "c.safetensors")
    a, b, c = ((tmp_path / f"{name}.safetensors").read_bytes() for name in "abc")
    assert a == b == c


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_large_kernels_only_are_rounded(dtype, sface_source, tmp_path):
    exact, rounded = (convert(sface_source, dtype=d) for d in ("float32", dtype))
    leaves = (named_leaves(recognizer.parameters) for recognizer in (exact, rounded))
    for (name, a), (_, b) in zip(*leaves, strict=True):
        expected = a.astype(dtype).astype(np.float32) if a.size >= LARGE else a
        np.testing.assert_array_equal(b, expected, err_msg=name)
    for name, recognizer in (("exact", exact), ("rounded", rounded)):
        recognizer.save(tmp_path / name)
    assert (tmp_path / "rounded").stat().st_size < 0.55 * (tmp_path / "exact").stat().st_size


def test_float16_overflow_is_reported(iresnet_source):
    source = changed(iresnet_source, layer4__0__conv2__weight=np.full((512, 512, 3, 3), 1e5, np.float32))
    with pytest.raises(PfiqError, match="outside the range of float16"):
        convert(source, dtype="float16")
    assert convert(source, dtype="bfloat16").storage_dtype == "bfloat16"


KNOWN = [pytest.param(mapping, name, id=name) for mapping in MAPPINGS for name in mapping.networks]


@pytest.mark.parametrize(("mapping", "name"), KNOWN)
def test_a_table_has_every_parameter_once(mapping, name):
    network = mapping.networks[name]
    parts = list(mapping.parts(network))
    targets = [f"{part.target}.{leaf}" for part in parts for leaf in mapping.convention.layouts(part.kind)]
    assert sorted(targets) == sorted(leaf for leaf, _ in named_leaves(network.shapes()))


@pytest.mark.parametrize(("mapping", "name"), KNOWN)
def test_every_network_is_found_by_its_names(mapping, name):
    """No other table matches the names of a table equally well, and no name occurs twice."""
    fit = fit_names(mapping, name, Source(Path("a"), {}))
    wanted = fit.sources()
    assert len(wanted) == sum(leaf.source is not None for leaf in fit.leaves.values())
    found = choose(Source(Path("a"), {f"{mapping.prefix}{array}": np.zeros(()) for array in wanted}))
    assert (found.name, found.mapping, found.left_over) == (name, mapping, ())


@pytest.mark.parametrize("depth", [18, 200])
def test_shapes_are_those_of_torch(depth, torch):
    from weights_convert.torch_networks.iresnet import TorchIResNet

    with torch.device("meta"):
        model = TorchIResNet(depth, 512, 1e-5)
    arrays = {name: np.broadcast_to(np.float32(0), t.shape) for name, t in model.state_dict().items()}
    source = Source(Path("a.pt"), arrays)
    fit = choose(source)
    assert fit.name == f"iresnet{depth}"
    names, take = in_library_layout(fit, configure(fit, source), source)
    found = {name: take(name).shape for name in names}
    assert found == {name: leaf.shape for name, leaf in named_leaves(IResNet(depth).shapes())}


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
        bn2__running_var=np.full(512, -1, np.float32),
        stray__weight=np.zeros((1, 8), np.float32),
    )
    with pytest.raises(PfiqError) as caught:
        convert(source)
    message = str(caught.value)
    assert message.startswith(f"{source.path}, most similar to iresnet18: does not fit IResNet(depth=18, dim=8): ")
    assert "and 7 more; `weights-convert inspect` lists all" in message
    assert len(message) <= 300
    assert sorted(caught.value.details) == sorted(
        (
            "bn1.running_mean is missing",
            "layer2.1.conv1.weight is missing",
            "prelu.weight holds NaN or infinite values",
            "features.bias has shape (9,) instead of (8,) as head.output_norm.bias",
            "layer1.0.conv1.weight has shape (64, 64) instead of (3, 3, 64, 64) as trunk.stages.00.00.conv1.kernel",
            "layer1.0.bn1.weight has dtype int64 instead of a float type",
            "bn2.running_var holds negative variances",
            "stray.weight is not part of the network",
        )
    )


@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (0, 7, 7), (1, 1, 1, 1, 1)])
@pytest.mark.parametrize(
    "name", ["conv1.weight", "layer2.0.downsample.0.weight", "prelu.weight", "fc.weight", "fc.bias", "features.bias"]
)
def test_an_array_of_any_shape_is_reported(name, shape, iresnet_source):
    with pytest.raises(PfiqError, match=rf": {name} has shape "):
        convert(changed(iresnet_source, **{name: np.ones(shape, np.float32)}))


def test_a_missing_output_batchnorm_is_named(iresnet_source):
    arrays = {name: array for name, array in iresnet_source.arrays.items() if not name.startswith("features.")}
    leaves = ("bias", "running_mean", "running_var", "weight")
    with pytest.raises(PfiqError, match=r"dim=8\): features\.bias is missing; .*; and 2 more; ") as caught:
        convert(dataclasses.replace(iresnet_source, arrays=arrays))
    assert caught.value.details == tuple(f"features.{leaf} is missing" for leaf in leaves)


def test_a_layer_of_two_names_takes_no_other_layers_array(torch, iresnet_source, random_iresnet):
    """MMdnn's dense layer may be named fc1 like the BatchNorm after it, whose bias must not replace its own."""
    layers = channels_last(random_iresnet(18, dim=8), "mmdnn")
    arrays = {f"{layer}.{name}": array for layer, arrays in layers.items() for name, array in arrays.items()}
    source = dataclasses.replace(iresnet_source, arrays=arrays)
    assert convert(source).network == IResNet(18, dim=8, epsilon=2e-5)
    with pytest.raises(PfiqError, match=r": pre_fc1\.bias is missing; "):
        convert(changed(source, pre_fc1__bias=None))


def test_keras_slopes_that_differ_between_positions_are_refused(torch, iresnet_source, random_iresnet):
    layers = channels_last(random_iresnet(18, dim=8), "keras")
    arrays = {f"{layer}/{name}": array for layer, arrays in layers.items() for name, array in arrays.items()}
    arrays["relu0/alpha"] = arrays["relu0/alpha"] * np.linspace(1, 2, 112, dtype=np.float32)[:, None, None]
    with pytest.raises(PfiqError, match=r": relu0/alpha has shape \(112, 112, 64\) instead of \(64,\)"):
        convert(dataclasses.replace(iresnet_source, arrays=arrays))


def copies(source, *prefixes):
    """The source's arrays under several prefixes, the second copy with all weights larger by one."""
    arrays = {f"{p}{name}": a + (p != prefixes[0]) for p in prefixes for name, a in source.arrays.items()}
    return dataclasses.replace(source, arrays=arrays)


@pytest.mark.parametrize(
    ("prefixes", "taken", "other"),
    [
        (("model.", "model_ema."), "model", "model_ema"),
        (("model.", "ema_model."), "model", "ema_model"),
        (("student.", "teacher."), "student", "teacher"),
        (("", "ema."), "", "ema"),
        (("student.backbone.", "teacher.backbone."), "student.backbone", "teacher.backbone"),
    ],
)
def test_of_several_copies_one_is_taken_and_the_others_are_named(prefixes, taken, other, iresnet_source):
    """They were refused in 1,300 characters."""
    recognizer = convert(copies(iresnet_source, *prefixes))
    np.testing.assert_array_equal(
        recognizer.parameters["head"]["output_norm"]["bias"], iresnet_source.arrays["features.bias"]
    )
    provenance = recognizer.provenance
    assert (provenance.entry, provenance.other_entries) == (taken, (other,))


def test_averages_of_weights_are_converted(iresnet_source):
    """torch.optim.swa_utils.AveragedModel counts its updates; its prefix is removed by the reader."""
    counted = changed(iresnet_source, n_averaged=np.array(3), step=np.array([7]), initted=np.array(True))
    assert convert(counted).network == IResNet(18, dim=8)
    with pytest.raises(PfiqError, match="decay is not part of the network"):
        convert(changed(iresnet_source, decay=np.array(0.99)))


@pytest.mark.parametrize("classifier", ["weight", "head.weight", "head.kernel", "header.weight", "fc.kernel"])
@pytest.mark.parametrize("name", ["iresnet18", "adaface_ir18", "ir_se50", "ir50", "facenet"])
def test_classifiers_are_ignored_in_every_torch_network(name, classifier):
    mapping = next(mapping for mapping in MAPPINGS if name in mapping.networks)
    wanted = fit_names(mapping, name, Source(Path("a"), {})).sources()
    arrays = dict.fromkeys((*wanted, classifier), np.zeros(2))
    assert choose(Source(Path("a"), arrays), name).left_over == ()


def test_messages_have_at_most_300_characters(iresnet_source):
    for change in ({"network": "iresnet200"}, {"network": "vgg"}, {"network": "facenet"}):
        with pytest.raises(PfiqError) as caught:
            convert(iresnet_source, **change)
        assert len(str(caught.value)) <= 300, change
    many = changed(iresnet_source, **{f"a{'b' * 50}{number}": np.zeros(3) for number in range(200)})
    with pytest.raises(PfiqError) as caught:
        convert(many)
    assert len(str(caught.value)) <= 300
    assert len(caught.value.details) == 200


def test_counters_and_classifiers_are_ignored(iresnet_source):
    classifier = np.zeros((10, 8), np.float32)
    source = changed(iresnet_source, weight=classifier, head__kernel=classifier, bn1__num_batches_tracked=None)
    assert convert(source).network == IResNet(18, dim=8)
    prefixed = {f"backbone.{name}": array for name, array in source.arrays.items()}
    assert convert(dataclasses.replace(source, arrays={**prefixed, "weight": classifier})).network == IResNet(18, dim=8)


def test_the_network_can_be_overruled_and_then_must_fit(iresnet_source):
    assert convert(iresnet_source, network="iresnet18").network == IResNet(18, dim=8)
    wrong = rf"^{iresnet_source.path}: does not fit"
    with pytest.raises(PfiqError, match=rf"{wrong} IResNet\(depth=34, .*layer1\.2\.bn1\.bias is missing") as caught:
        convert(iresnet_source, network="iresnet34")
    assert "layer1.2.conv1.weight is missing" in caught.value.details
    with pytest.raises(PfiqError, match=r"none of its 187 arrays .* is part of sface; give weights of sface\."):
        convert(iresnet_source, network="sface")
    with pytest.raises(PfiqError, match="'vgg' is not a known network; choose one of iresnet18/34/50/100/200, "):
        convert(iresnet_source, network="vgg")


def test_magface_in_a_plain_checkpoint_must_be_named(iresnet_source):
    plain, magface = (convert(iresnet_source, network=name) for name in (None, "magface_iresnet18"))
    assert plain.preprocessing == ARCFACE_TORCH
    assert (plain.dropout_rate, plain.dropout_granularity) == (0, "unit")
    assert magface.provenance.network == "magface_iresnet18"
    assert magface.network == IResNet(18, dim=8, epsilon=2e-5)
    assert (magface.preprocessing.mean, magface.preprocessing.scale) == ((0,) * 3, (1 / 255,) * 3)
    assert magface.preprocessing.channel_order == "BGR"
    assert (magface.dropout_rate, magface.dropout_granularity) == (0.4, "channel")


def test_what_resembles_nothing(iresnet_source):
    source = dataclasses.replace(iresnet_source, arrays={"stages.0": np.zeros(3, np.float32)})
    with pytest.raises(PfiqError, match=r"none of its 1 arrays \(stages\.0, \.\.\.\) is part of a known network"):
        convert(source)
    long = dataclasses.replace(source, arrays={f"{'x' * 60}{number}": np.zeros(3, np.float32) for number in range(3)})
    with pytest.raises(
        PfiqError, match=r"none of its 3 arrays .*; give weights of iresnet, .*, facenet, yunet\."
    ) as caught:
        convert(long)
    check_sentence(caught.value, str(long.path))


def test_a_companion_is_part_of_the_provenance(iresnet_source, tmp_path):
    (tmp_path / "a.data").write_bytes(b"only its sha256 is taken")
    provenance = convert(dataclasses.replace(iresnet_source, companions=(tmp_path / "a.data",))).provenance
    assert provenance.companion == "a.data"
    assert provenance.companion_sha256 == provenance.source_sha256


def test_progress_goes_through_every_parameter(iresnet_source):
    seen = []
    recognizer = convert(iresnet_source, progress=lambda names: seen.extend(names) or names)
    assert seen == [name for name, _ in named_leaves(recognizer.parameters)]


def test_a_converted_file_is_refused(recognizer, tmp_path):
    recognizer.save(tmp_path / "a.safetensors")
    with pytest.raises(PfiqError, match="has been converted already"):
        convert(tmp_path / "a.safetensors")
