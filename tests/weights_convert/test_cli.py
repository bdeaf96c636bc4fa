"""The command: one sentence and exit code 1 for every mistake, and no incomplete file."""

import struct
import subprocess
import sys
import zlib

import jax
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from safetensors.numpy import save_file

from pfiq_jax import IResNet, load_recognizer
from weights_convert.cli import main


@pytest.fixture(scope="session")
def backbone(torch, random_iresnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("backbone") / "backbone.pt"
    torch.save(random_iresnet(18, dim=8).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def converted(backbone, tmp_path_factory):
    path = tmp_path_factory.mktemp("converted") / "backbone.safetensors"
    assert run(backbone, path).exit_code == 0
    return path


def run(*arguments, command="convert"):
    return CliRunner().invoke(main, [command, *map(str, arguments)])


def check_mistake(result, match, exit_code=1):
    assert result.exit_code == exit_code, result.output
    assert result.stderr.startswith("Error: ")
    assert isinstance(result.exception, SystemExit)  # hence no traceback
    assert match in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_conversion(backbone, tmp_path):
    output = tmp_path / "out.safetensors"
    result = run(backbone, output, "--license", "for tests", "--epsilon", "2e-5", "--dtype", "float16", "--verify")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    recognizer = load_recognizer(output)
    assert recognizer.network == IResNet(18, dim=8, epsilon=2e-5)
    assert recognizer.storage_dtype == "float16"
    provenance = recognizer.provenance
    assert provenance.license == "for tests"
    assert provenance.given == ("epsilon",)
    assert "torch" in provenance.verified
    assert result.stdout.splitlines() == [
        f"output: {output}",
        f"source: backbone.pt (SHA-256 {provenance.source_sha256})",
        "license: for tests",
        "network: iresnet18",
        "equally good matches: magface_iresnet18; choose one of them with --network",
        "channel order: RGB (published value, not stated by the source)",
        "mean: 127.5 (published value, not stated by the source)",
        "scale: 0.00784314 (published value, not stated by the source)",
        "epsilon: 2e-05 (given on the command line)",
        "dropout rate: 0 (published value, not stated by the source)",
        "note: give --channel-order, --mean, --scale if the network was trained with other values",
        "converter: weights_convert 1",
        f"verified: {provenance.verified}",
    ]
    assert list(tmp_path.iterdir()) == [output]


def test_conversion_to_bfloat16(backbone, tmp_path):
    output = tmp_path / "out.safetensors"
    assert run(backbone, output, "--dtype", "bfloat16", "--verify").exit_code == 0
    recognizer = load_recognizer(output)
    assert recognizer.storage_dtype == "bfloat16"
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(recognizer))
    assert output.stat().st_size < 0.6 * backbone.stat().st_size


def test_the_same_bytes_twice(backbone, converted, tmp_path):
    assert run(backbone, tmp_path / "again.safetensors").exit_code == 0
    assert (tmp_path / "again.safetensors").read_bytes() == converted.read_bytes()


def test_inspect(backbone):
    result = run(backbone, command="inspect")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:2] == [f"file: {backbone}", "network: iresnet18"]
    assert "  fc.weight  8x25088  float32" in result.stdout.splitlines()
    named = run(backbone, "--network", "iresnet34", command="inspect")
    assert "network: iresnet34 is the most similar" in named.stdout
    check_mistake(run(backbone.with_name("none.pt"), command="inspect"), "no such file")
    check_mistake(run(backbone, "--network", "vgg", command="inspect"), "is not a known network")


def test_an_entry_is_stated_chosen_and_verified(torch, backbone, tmp_path):
    state = torch.load(backbone)
    average = {name: 2 * tensor if "prelu" in name else tensor for name, tensor in state.items()}
    path, output = tmp_path / "a.pth.tar", tmp_path / "a.safetensors"
    torch.save({"model": state, "model_ema": average}, path)
    lines = run(path, output).stdout.splitlines()
    assert "entry: model" in lines
    assert "other entries: model_ema; choose one of them with --entry" in lines
    assert "entry: model" in run(path, command="inspect").stdout.splitlines()
    lines = run(path, output, "--entry", "model_ema", "--verify").stdout.splitlines()
    assert "entry: model_ema" in lines
    recognizer = load_recognizer(output)
    assert recognizer.provenance.entry == "model_ema"
    np.testing.assert_array_equal(recognizer.parameters["trunk"]["stem"]["prelu"]["slope"], average["prelu.weight"])
    assert run(path, output, command="verify").exit_code == 0  # compares with the entry that was converted
    assert run(path, output, "--entry", "model", command="verify").exit_code == 1
    check_mistake(run(path, output, "--entry", "teacher"), "has no entry 'teacher'; choose one such as model, ")


def test_inspect_prints_dtypes_and_what_is_not_finite(torch, backbone, tmp_path):
    state = torch.load(backbone)
    state["fc.bias"] = state["fc.bias"].bfloat16()
    state["fc.bias"][:3] = torch.nan
    torch.save(state, tmp_path / "a.pt")
    result = run(tmp_path / "a.pt", command="inspect")
    assert "  fc.bias  8  bfloat16  3 numbers are NaN or infinite" in result.stdout.splitlines()
    assert "problems: fc.bias holds NaN or infinite values" in result.stdout.splitlines()


def test_verify(backbone, converted, tmp_path):
    result = run(backbone, converted, command="verify")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{converted}: largest relative error of 5 embeddings against torch: ")
    check_mistake(run(backbone, backbone, command="verify"), "is truncated or not a .safetensors file")
    check_mistake(run(backbone.with_name("none.pt"), converted, command="verify"), "no such file")


def test_a_tampered_conversion_is_named_by_its_layers(backbone, converted, tmp_path):
    recognizer = load_recognizer(converted)
    recognizer.parameters["trunk"]["stages"]["02"]["00"]["shortcut"]["norm"]["bias"] += 0.5
    recognizer.save(tmp_path / "tampered.safetensors")
    result = run(backbone, tmp_path / "tampered.safetensors", command="verify")
    layer = "layer3.0.downsample.1.weight -> trunk.stages.02.00.shortcut.norm by "
    check_mistake(result, f"the first layers that differ are {layer}")


def test_the_symbol_of_mxnets_files(torch, tmp_path, data):
    published = data / "weights" / "mobilefacenet_y1"
    params, symbol, output = (tmp_path / name for name in ("a.params", "b.json", "out.safetensors"))
    params.symlink_to(published / "model-0000.params")
    check_mistake(run(params, output), "its graph is missing; put a-symbol.json")
    symbol.symlink_to(published / "model-symbol.json")
    for command, arguments in (("convert", [params, output]), ("inspect", [params]), ("verify", [params, output])):
        result = run(*arguments, "--symbol", symbol, command=command)
        assert result.exit_code == 0, result.output
    assert load_recognizer(output).provenance.companion == "b.json"
    check_mistake(run(output, "--symbol", symbol, command="inspect"), "only .params files have a symbol")
    check_mistake(run(params, symbol, "--symbol", symbol), "is the source file")


def test_mistakes_are_one_sentence(backbone, tmp_path):
    output = tmp_path / "out.safetensors"
    check_mistake(run(tmp_path / "none.pt", output), "no such file")
    check_mistake(run(tmp_path / ("x" * 300 + ".pt"), output), "cannot be read (File name too long)")
    check_mistake(run(backbone, output, "--network", "iresnet50"), "layer1.2.bn1.bias is missing")
    check_mistake(run(backbone, output, "--network", "vgg"), "is not a known network")
    check_mistake(run(backbone, tmp_path / "none" / "out.safetensors"), "no such folder; create it")
    check_mistake(run(backbone, backbone), "is the source file")
    check_mistake(run(backbone, output, "--verify", "--images", tmp_path), "contains no images")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_leaves_nothing(backbone, tmp_path):
    (tmp_path / "folder").mkdir()
    check_mistake(run(backbone, tmp_path / "folder"), "is not a regular file", exit_code=3)
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_images_to_verify_on(backbone, tmp_path):
    faces, output = tmp_path / "faces", tmp_path / "out.safetensors"
    faces.mkdir()
    Image.fromarray(np.zeros((112, 112, 3), np.uint8)).save(faces / "a.png")
    result = run(backbone, output, "--verify", "--images", faces)
    assert "of 6 embeddings" in result.stdout
    (faces / "b.png").write_bytes(b"nonsense")
    check_mistake(run(backbone, output, "--verify", "--images", faces), "b.png: is damaged, or not an image")
    header = struct.pack(">4sIIBBBBB", b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)  # a decompression bomb
    chunks = (header, b"IDAT" + zlib.compress(b""))
    (faces / "b.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    )
    check_mistake(run(backbone, output, "--verify", "--images", faces), "b.png: has 3,600,000,000 pixels, more than")
    assert run(backbone, output, "--images", faces).exit_code == 2


def test_an_error_of_the_system_is_a_sentence(backbone, tmp_path):
    check_mistake(run(backbone, tmp_path / ("x" * 300) / "out.safetensors"), "File name too long")


def test_slopes_of_three_dimensions(torch, backbone, tmp_path):
    state = torch.load(backbone)
    state = {name: a.reshape(-1, 1, 1) if name.endswith("prelu.weight") else a for name, a in state.items()}
    torch.save(state, tmp_path / "backbone.pt")
    result = run(tmp_path / "backbone.pt", tmp_path / "out.safetensors", "--verify")
    assert result.exit_code == 0, result.output


def test_sface_arrays_from_another_format_cannot_be_verified(sface_source, tmp_path):
    save_file(dict(sface_source.arrays), tmp_path / "sface.safetensors")
    assert run(tmp_path / "sface.safetensors", tmp_path / "out.safetensors").exit_code == 0
    result = run(tmp_path / "sface.safetensors", tmp_path / "other.safetensors", "--verify")
    check_mistake(result, "there is no runtime for it to compare its conversion with; convert it without --verify")


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from weights_convert.cli import main; main(['convert', '--help'], standalone_mode=False); "
        "sys.exit(', '.join({'jax', 'numpy', 'flax', 'torch', 'onnx', 'onnxruntime'} & sys.modules.keys()) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "Convert the weights file SOURCE" in result.stdout
