"""Channel order, mean and scale: given, stated or published, and always printed."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pfiq_jax import ARCFACE_TORCH, PfiqError, load_recognizer
from weights_convert.cli import main
from weights_convert.mappings import MAPPINGS
from weights_convert.mappings.mapping import fit_names
from weights_convert.preprocessing import Given, preprocessing_of
from weights_convert.source import Source

EMPTY = Source(Path("a.pt"), {})
KNOWN = [pytest.param(mapping, name, id=name) for mapping in MAPPINGS for name in mapping.networks]


@pytest.mark.parametrize(("mapping", "name"), KNOWN)
def test_every_mapping_takes_the_preprocessing_that_is_given(mapping, name):
    fit = fit_names(mapping, name, EMPTY)
    assert preprocessing_of(fit, EMPTY) == mapping.preprocessing
    given = preprocessing_of(fit, EMPTY, Given("BGR", 120, (0.1, 0.2, 0.3)))
    assert (given.channel_order, given.mean, given.scale) == ("BGR", (120,) * 3, (0.1, 0.2, 0.3))
    assert (given.size, given.template) == (mapping.preprocessing.size, mapping.preprocessing.template)
    assert preprocessing_of(fit, EMPTY, Given(mean=0.0)).mean == (0,) * 3


def test_what_the_graph_contains_cannot_be_given_again():
    fit = fit_names(MAPPINGS[0], "iresnet18", EMPTY)
    stated = dataclasses.replace(EMPTY, pixels=(127.5, 0.0078125))
    for given in (Given(mean=127.5), Given(scale=0.0078125)):
        with pytest.raises(PfiqError, match=r"begins with \(x - 127\.5\) \* 0\.0078125; omit --mean and --scale\."):
            preprocessing_of(fit, stated, given)
    assert preprocessing_of(fit, stated, Given("BGR")).channel_order == "BGR"


@pytest.mark.parametrize("mean", [0.5, -127.5, 256, (127.5, 127.5), math.nan, (0.485, 0.456, 0.406)])
def test_means_that_are_not_grey_levels_are_refused(mean):
    with pytest.raises(PfiqError, match=r"is not in grey levels; give .*|is not one or three finite numbers"):
        Given(mean=mean)


@pytest.mark.parametrize("scale", [0, 2.0, -0.1, 127.5, math.inf, (0.1, 0.1)])
def test_scales_that_are_not_per_grey_level_are_refused(scale):
    with pytest.raises(PfiqError, match=r"is not per grey level; give .*|is not one or three finite numbers"):
        Given(scale=scale)


@pytest.fixture(scope="module")
def adaface(torch, randomize, tmp_path_factory):
    """A network with AdaFace's names, as a model and a file."""
    from weights_convert.torch_networks.adaface import TorchAdaFace

    model = randomize(TorchAdaFace(18, 8, 1e-5), seed=0)
    path = tmp_path_factory.mktemp("adaface") / "a.ckpt"
    torch.save(model.state_dict(), path)
    return model, path


def convert(*arguments):
    return CliRunner().invoke(main, ["convert", *map(str, arguments)])


def test_a_network_with_adafaces_names_that_was_fed_rgb(torch, adaface, faces, tmp_path):
    """The file does not say which order its network was fed; nor can a comparison with torch find it."""
    model, path = adaface
    images = np.stack(list(faces.values())[:3])
    with torch.inference_mode():
        truth = model(torch.tensor((images.transpose(0, 3, 1, 2) - np.float32(100)) / 64)).numpy()

    assumed = convert(path, tmp_path / "assumed.safetensors", "--verify")
    assert assumed.exit_code == 0, assumed.output
    lines = assumed.stdout.splitlines()
    assert "channel order: BGR (published value, not stated by the source)" in lines
    assert "mean: 127.5 (published value, not stated by the source)" in lines
    assert "scale: 0.00784314 (published value, not stated by the source)" in lines
    assert any(line.startswith("note: give --channel-order, ") for line in lines)
    assert lines[-1].endswith(", with the channel order, mean and scale of the conversion")

    options = ("--channel-order", "RGB", "--mean", "100,100,100", "--scale", 1 / 64)
    given = convert(path, tmp_path / "given.safetensors", *options)
    assert "channel order: RGB (given on the command line)" in given.stdout.splitlines()
    assert "mean: 100 (given on the command line)" in given.stdout.splitlines()
    assert "note: " not in given.stdout
    recognizer = load_recognizer(tmp_path / "given.safetensors")
    assert recognizer.provenance.given == ("channel_order", "mean", "scale")
    assert "preprocessing" not in recognizer.provenance.assumed
    found = np.asarray(recognizer.embed(images))
    assert np.linalg.norm(found - truth) < 1e-4 * np.linalg.norm(truth)


def test_inspect_prints_the_preprocessing_that_would_be_assumed(adaface):
    _, path = adaface
    lines = CliRunner().invoke(main, ["inspect", str(path)]).stdout.splitlines()
    assert "preprocessing: not stated; (x - 127.5) * 0.00784314 is assumed" in lines
    assert "channel order: not stated; BGR is assumed" in lines


@pytest.mark.parametrize("value", ["a", "1,2", "0.5", "1;2;3", ""])
def test_numbers_on_the_command_line(value, adaface, tmp_path):
    _, path = adaface
    result = convert(path, tmp_path / "a.safetensors", "--mean", value)
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def test_the_channel_order_is_printed_where_the_graph_states_mean_and_scale(sface_onnx, tmp_path):
    result = convert(sface_onnx, tmp_path / "a.safetensors")
    lines = result.stdout.splitlines()
    assert "channel order: RGB (published value, not stated by the source)" in lines
    assert "mean: 127.5 (stated by the source)" in lines
    assert "note: give --channel-order if the network was trained with other values" in lines


def test_a_torch_network_is_fed_rgb_in_minus_one_to_one_by_default():
    fit = fit_names(MAPPINGS[0], "iresnet18", EMPTY)
    assert preprocessing_of(fit, EMPTY) == ARCFACE_TORCH
