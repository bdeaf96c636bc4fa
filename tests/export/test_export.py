"""Exported programs, run by their own snippets in processes that cannot import the library."""

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from datetime import date

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import PfiqError, align, detect, export_program, load_detector
from pfiq_jax.export.onnx_file import drop_unread, evaluate_for_onnx
from pfiq_jax.faces import read_image
from pfiq_jax.recognizers.depthwise_conv import depthwise_conv
from pfiq_jax.scoring import score_batch

BATCHES = (1, 7, 64)
PLACE = {"score": "s", "box": "es", "landmarks": ""}  # endings of their names in ``Faces``
RUN = """
import sys
sys.modules |= dict.fromkeys(["pfiq_jax", "flax", "optax", "jax2onnx"])  # importing any of these fails
import numpy
faces = numpy.load("faces.npy")
for number in {batches}:
    images = faces[:number]
{snippet}
    numpy.savez(f"results{{number}}.npz", **results)
assert "weights_convert" not in sys.modules
"""


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (64, 112, 112, 3), np.uint8)


@pytest.fixture
def run(tmp_path):
    """Runs a program on the first faces of an array, in a process of its own; returns results by number."""

    def compute(snippet, faces, batches=BATCHES):
        np.save(tmp_path / "faces.npy", faces)
        indented = "\n".join(f"    {line}" for line in snippet.splitlines())
        script = RUN.format(batches=batches, snippet=indented)
        environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
        subprocess.run([sys.executable, "-I", "-c", script], cwd=tmp_path, env=environment, check=True, timeout=300)
        return {number: dict(np.load(tmp_path / f"results{number}.npz")) for number in batches}

    return compute


def expected(recognizer, images, *, method="ser_fiq_closed_form", maps=False):
    found = score_batch(recognizer, images, method=method, maps=maps)._asdict()
    return {name: np.asarray(value) for name, value in found.items() if value is not None}


def check_equal(found, wanted, **tolerance):
    for number, results in found.items():
        assert results.keys() == wanted.keys()
        for name, values in results.items():
            np.testing.assert_allclose(values, wanted[name][:number], err_msg=name, **tolerance)


@pytest.mark.parametrize("parameters", ["inside", "argument"])
def test_a_program_equals_the_library_for_every_batch_size(small, images, run, tmp_path, parameters):
    written = export_program(small, tmp_path / "NAME.export", maps=True, parameters=parameters)
    wanted = expected(small, images, maps=True)
    assert set(wanted) == {"raw_quality", "quality", "map"} == written.metadata["outputs"].keys()
    check_equal(run(written.snippet, images), wanted, rtol=1e-5, atol=1e-6)


def test_parameters_that_are_an_argument_can_be_replaced(small, images, tmp_path):
    export_program(small, tmp_path / "NAME.export", parameters="argument")
    with zipfile.ZipFile(tmp_path / "NAME.export") as file:
        program = jax.export.deserialize(bytearray(file.read("program")))
        assert file.namelist() == ["metadata.json", "program", "parameters.safetensors"]
    other = jax.random.normal(jax.random.key(1), small.parameters.shape)
    replaced = program.call({"": other}, images[:3])["raw_quality"]
    wanted = expected(dataclasses.replace(small, parameters=other), images[:3])["raw_quality"]
    np.testing.assert_allclose(replaced, wanted, rtol=1e-5)


def test_a_file_states_what_it_computes_and_when_it_expires(small, tmp_path):
    written = export_program(small, tmp_path / "NAME.export")
    with zipfile.ZipFile(tmp_path / "NAME.export") as file:
        metadata = json.loads(file.read("metadata.json"))
        program = jax.export.deserialize(bytearray(file.read("program")))
    assert metadata == written.metadata
    assert metadata["input"] == "uint8 (batch, 112, 112, 3), RGB, 0..255"
    assert metadata["computes"] == "ser_fiq_closed_form of aligned faces"
    assert date.fromisoformat(metadata["expires"]) == written.expires
    assert (written.expires - date.fromisoformat(metadata["written"])).days == 182
    assert program.platforms == ("cpu", "cuda", "tpu")
    assert str(program.in_avals[0]) == "uint8[batch,112,112,3]"


def test_onnx_gets_the_same_computation_in_usual_convolutions():
    shapes = (2, 8, 8, 4), (3, 3, 4), (3, 3, 4, 4)
    x, depthwise, full = (jax.random.normal(jax.random.key(0), shape) for shape in shapes)

    @jax.jit
    def loss(x):
        x = depthwise_conv(depthwise_conv(x, depthwise, 1), depthwise, 2)
        x = jax.lax.conv_general_dilated(x, full, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jnp.sum(jnp.cos(x))

    gradient = jax.jit(jax.grad(loss))
    program = jax.make_jaxpr(gradient)(x)
    rewritten = jax.jit(lambda x: evaluate_for_onnx(program.jaxpr, program.consts, [x])[0])
    equations = jax.make_jaxpr(rewritten)(x).eqns[0].params["jaxpr"].eqns
    assert not {"jit", "pjit", "depthwise_conv"} & {equation.primitive.name for equation in equations}
    convolutions = [equation.params for equation in equations if equation.primitive.name == "conv_general_dilated"]
    assert {each["dimension_numbers"].rhs_spec for each in convolutions} == {(3, 2, 0, 1)}
    np.testing.assert_allclose(rewritten(x), gradient(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "NAME.tflite"}, "the suffix of the exported file is '.tflite'; choose one of '.export', '.onnx'."),
        ({"path": "NAME.onnx", "photographs": (480, 640)}, "cannot contain the detection of faces in photographs"),
        ({"path": "NAME.onnx", "parameters": "argument"}, "cannot contain parameters as an argument"),
        ({"path": "NAME.export", "quality": "cr_fiqa"}, "cr_fiqa: the recogniser has no quality head"),
        ({"path": "NAME.export", "quality": "beauty"}, "quality is 'beauty'; choose one of"),
        ({"path": "missing/NAME.export"}, "cannot be written"),
    ],
)
def test_what_cannot_be_exported_gives_one_sentence(small, tmp_path, options, message):
    with pytest.raises(PfiqError, match=message.replace("(", r"\(")) as error:
        export_program(small, tmp_path / options.pop("path"), **options)
    assert str(error.value).endswith(".")
    assert str(error.value).count("\n") == 0


@pytest.mark.parity
def test_random_numbers_cannot_be_exported_to_onnx(small, required, tmp_path):
    required("jax2onnx")
    with pytest.raises(PfiqError, match="cannot contain a method with random numbers; write a "):
        export_program(small, tmp_path / "NAME.onnx", quality="ser_fiq")
    assert not list(tmp_path.iterdir())


def test_a_missing_jax2onnx_is_one_sentence(small, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(
        PfiqError, match=r"ONNX files need jax2onnx; install it with `pip install 'pfiq-jax\[export\]'`"
    ):
        export_program(small, tmp_path / "NAME.onnx")


@pytest.mark.slow
def test_the_largest_face_of_photographs_is_scored(small, run, tmp_path, faces):
    photos = np.zeros((2, 240, 320, 3), np.uint8)
    photos[0, 64:176, 100:212] = faces["skimage/astronaut"]
    written = export_program(small, tmp_path / "NAME.export", photographs=(240, 320))
    results = run(written.snippet, photos, (2,))[2]
    found = detect(load_detector(), photos[0])
    crop = align(photos[0], found.landmarks[0])
    wanted = expected(small, crop) | {name: getattr(found, f"{name}{end}")[0] for name, end in PLACE.items()}
    assert results.keys() == wanted.keys()
    for name, values in results.items():
        np.testing.assert_allclose(values[0], wanted[name], rtol=1e-3, atol=0.05 if name in ("box", "landmarks") else 0)
        assert np.isnan(values[1]).all() or (name == "score" and values[1] == 0)


def test_constants_that_nothing_reads_are_dropped(required):
    """Runtimes warn of each, at every start."""
    onnx = required("onnx")
    make, floats = onnx.helper.make_node, onnx.TensorProto.FLOAT
    one, two, three, four = (onnx.helper.make_tensor(name, floats, [1], [1.0]) for name in "1234")
    value = {name: onnx.helper.make_tensor_value_info(name, floats, [1]) for name in ("x", "y", "inner")}
    body = onnx.helper.make_graph([make("Add", ["x", "1"], ["inner"])], "body", [], [value["inner"]], [two])
    nodes = [make("If", ["x"], ["y"], then_branch=body, else_branch=body), make("Neg", ["3"], ["z"])]
    graph = onnx.helper.make_graph(nodes, "graph", [value["x"]], [value["y"]], [one, three, four])
    drop_unread(graph)
    assert [each.name for each in graph.initializer] == ["1"]
    assert [node.op_type for node in graph.node] == ["If"]
    assert not any(each.g.initializer for each in graph.node[0].attribute)


@pytest.mark.slow
@pytest.mark.parity
def test_onnx_of_the_bundled_network_with_maps(recognizer, data, run, required, tmp_path):
    required("jax2onnx")
    required("onnxruntime")
    paths = sorted((data / "lfw_dev").glob("*/*.jpg"))[:64]
    images = np.stack([read_image(path) for path in paths])
    written = export_program(recognizer, tmp_path / "NAME.onnx", maps=True)
    assert written.expires is None
    wanted = expected(recognizer, images, method="relative_norm", maps=True)
    for number, results in run(written.snippet, images).items():
        assert results.keys() == wanted.keys() == {"raw_quality", "quality", "map", "deficit"}
        for name, values in results.items():
            error = np.abs(values - wanted[name][:number]).reshape(number, -1).max(1) / wanted[name].max()
            if values.ndim == 1:
                assert error.max() < 1e-5
            else:  # on few faces, rounding decides which slope of a PReLU counts
                assert np.median(error) < 1e-4
                assert error.max() < 0.03
