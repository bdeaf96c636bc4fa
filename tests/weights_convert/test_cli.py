"""The command: one sentence and exit code 1 for every mistake, and no half-written file."""

import struct
import subprocess
import sys
import zlib

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


def run(*arguments):
    return CliRunner().invoke(main, ["convert", *map(str, arguments)])


def check_mistake(result, match):
    assert result.exit_code == 1, result.output
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
    assert recognizer.dtype == "float16"
    provenance = dict(recognizer.provenance)
    assert provenance["license"] == "for tests"
    assert "torch" in provenance["verified"]
    assert set(provenance) == {"source", "source_sha256", "license", "converter", "verified"}
    assert list(tmp_path.iterdir()) == [output]


def test_mistakes_are_one_sentence(backbone, tmp_path):
    output = tmp_path / "out.safetensors"
    check_mistake(run(tmp_path / "none.pt", output), "no such file")
    check_mistake(run(tmp_path / ("x" * 300 + ".pt"), output), "cannot be read (File name too long)")
    check_mistake(run(backbone, output, "--architecture", "iresnet50"), "is missing")
    check_mistake(run(backbone, output, "--architecture", "vgg"), "no known architecture")
    check_mistake(run(backbone, tmp_path / "none" / "out.safetensors"), "no such folder for the output")
    check_mistake(run(backbone, backbone), "is the source itself")
    check_mistake(run(backbone, output, "--verify", "--images", tmp_path), "no folder with images")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_leaves_nothing(backbone, tmp_path):
    (tmp_path / "folder").mkdir()
    check_mistake(run(backbone, tmp_path / "folder"), "cannot be written")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_images_to_verify_on(backbone, tmp_path):
    faces, output = tmp_path / "faces", tmp_path / "out.safetensors"
    faces.mkdir()
    Image.fromarray(np.zeros((112, 112, 3), np.uint8)).save(faces / "a.png")
    result = run(backbone, output, "--verify", "--images", faces)
    assert "of 6 embeddings" in result.stdout
    Image.fromarray(np.zeros((50, 60, 3), np.uint8)).save(faces / "b.png")
    check_mistake(run(backbone, output, "--verify", "--images", faces), "b.png: is 60x50 pixels")
    (faces / "b.png").write_bytes(b"nonsense")
    check_mistake(run(backbone, output, "--verify", "--images", faces), "b.png: is damaged, or no image")
    header = struct.pack(">4sIIBBBBB", b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)  # a decompression bomb
    chunks = (header, b"IDAT" + zlib.compress(b""))
    (faces / "b.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    )
    check_mistake(run(backbone, output, "--verify", "--images", faces), "b.png: has more than")
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
    check_mistake(result, "only an IResNet can be run under torch")


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from weights_convert.cli import main; main(['convert', '--help'], standalone_mode=False); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'onnx', 'onnxruntime')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
