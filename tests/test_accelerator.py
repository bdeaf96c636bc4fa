"""An accelerator computes what the CPU computes, and keeps it. Without one these tests are skipped.

The same program gives the same embeddings and scores for the same images, byte for byte. Backward passes are not
deterministic by default on GPUs: gradients and maps differ slightly from call to call. With
``XLA_FLAGS=--xla_gpu_deterministic_ops=true`` they are the same bytes too. The option also turns off XLA's choice
between implementations by their speed. Such programs compile faster, and most tests use them.
"""

from collections.abc import Callable

import jax
import numpy as np
import pytest

import pfiq_jax
from benchmarks.accelerator.subjects import photographs, random_iresnet
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE

pytestmark = pytest.mark.accelerator

# Largest differences between programs in full float32, which add in other orders.
EMBEDDING = 3e-5  # of the length of the embedding
SCORE = 3e-5  # of the score
QUALITY = 3e-5
# A unit within rounding error of 0 may get another slope of its PReLU in another program: see docs/weights.md.
GRADIENT = 1e-2  # of the length of the gradient
MAP = 1e-2
MEAN_MAP = 1e-4

FORWARD = ("embedding", "quality", "relative_norm", "closed_form")  # outputs without a backward pass

Outputs = dict[str, jax.Array]


@pytest.fixture(scope="module")
def accelerator() -> jax.Device:
    device = jax.devices()[0]
    if device.platform == "cpu":
        pytest.skip("no accelerator: JAX's default device is a CPU")
    return device


@pytest.fixture(scope="module")
def cpu(accelerator: jax.Device) -> jax.Device:
    try:
        return jax.devices("cpu")[0]
    except RuntimeError as error:
        pytest.skip(f"no CPU to compare with; name it in JAX_PLATFORMS, as in cuda,cpu ({error})")


@pytest.fixture(scope="module", params=["SFace", "IResNet-18"])
def network(request: pytest.FixtureRequest, recognizer: pfiq_jax.Recognizer) -> pfiq_jax.Recognizer:
    return recognizer if request.param == "SFace" else random_iresnet(18)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    face = pfiq_jax.demo_face()
    return np.stack([face, face[:, ::-1], face // 2, np.roll(face, 5, axis=0)])


def compute(recognizer: pfiq_jax.Recognizer, images: jax.Array) -> Outputs:
    """All that is compared in one program, since compilations take most of the time."""
    seen = recognizer.forward(images)
    explained = pfiq_jax.pixel_quality(recognizer, images)
    return {
        "embedding": recognizer.embed(images),
        "quality": pfiq_jax.face_quality(recognizer, seen),
        "relative_norm": pfiq_jax.relative_norm(recognizer, seen),
        "closed_form": pfiq_jax.ser_fiq_closed_form(recognizer, seen),
        "gradient": explained.gradient,
        "map": explained.map,
    }


default = jax.jit(compute)
deterministic = jax.jit(compute, compiler_options={"xla_gpu_deterministic_ops": True})


@pytest.fixture(scope="module")
def run(network: pfiq_jax.Recognizer) -> Callable[..., Outputs]:
    def on(device: jax.Device, images: np.ndarray, program: Callable[..., Outputs] = default) -> Outputs:
        with jax.default_matmul_precision("highest"):
            return program(*jax.device_put((network, images), device))

    return on


def assert_equal_within_tolerances(found: Outputs, expected: Outputs) -> None:
    found, expected = ({name: np.asarray(each) for name, each in outputs.items()} for outputs in (found, expected))
    for name, tolerance in (("embedding", EMBEDDING), ("gradient", GRADIENT)):
        assert (lengths(found[name] - expected[name]) <= tolerance * lengths(expected[name])).all(), name
    for name in ("relative_norm", "closed_form"):
        np.testing.assert_allclose(found[name], expected[name], rtol=SCORE, err_msg=name)
    np.testing.assert_allclose(found["quality"], expected["quality"], rtol=0, atol=QUALITY)
    np.testing.assert_allclose(found["map"], expected["map"], rtol=0, atol=MAP)
    assert np.abs(found["map"] - expected["map"]).mean() <= MEAN_MAP


def lengths(arrays: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.float64(arrays).reshape(len(arrays), -1), axis=1)


def test_accelerator_agrees_with_the_cpu(run, accelerator, cpu, images):
    assert_equal_within_tolerances(run(accelerator, images), run(cpu, images))


def test_a_trunk_in_bfloat16_is_near_float32_on_the_cpu(recognizer, accelerator, cpu, images):
    half = recognizer.with_precision("bfloat16")
    found, expected = (
        jax.device_get(jax.jit(compute)(*jax.device_put((network, images), device)))
        for network, device in ((half, accelerator), (recognizer, cpu))
    )
    distance = lengths(found["embedding"] - expected["embedding"])
    assert (distance <= 0.06 * lengths(expected["embedding"])).all()  # a cosine of 0.998
    np.testing.assert_allclose(found["quality"], expected["quality"], rtol=0, atol=0.02)
    np.testing.assert_allclose(found["map"].mean((1, 2)), expected["map"].mean((1, 2)), rtol=0, atol=0.02)


def test_detector_agrees_with_the_cpu(accelerator, cpu):
    with jax.default_matmul_precision("highest"):
        found, expected = (
            jax.device_get(pfiq_jax.detect(*jax.device_put((pfiq_jax.load_detector(), photographs(2)), device)))
            for device in (accelerator, cpu)
        )
    np.testing.assert_array_equal(found.valid, expected.valid)
    assert expected.valid.sum() == 8
    valid = expected.valid
    np.testing.assert_allclose(found.landmarks[valid], expected.landmarks[valid], rtol=0, atol=0.1)  # pixels
    np.testing.assert_allclose(found.scores[valid], expected.scores[valid], rtol=0, atol=1e-3)


def assert_same_bytes(found: Outputs, expected: Outputs) -> None:
    assert {name: np.array_equal(found[name], expected[name]) for name in found} == dict.fromkeys(found, True)


def test_forward_passes_give_the_same_bytes(run, accelerator, images):
    first, second = ({name: run(accelerator, images)[name] for name in FORWARD} for _ in range(2))
    assert_same_bytes(first, second)


def test_deterministic_programs_give_the_same_bytes(run, accelerator, images):
    assert_same_bytes(run(accelerator, images, deterministic), run(accelerator, images, deterministic))


def test_batch_of_one_agrees_with_its_row(run, accelerator, images):
    alone, all_faces = (run(accelerator, faces, deterministic) for faces in (images[1:2], images))
    assert_equal_within_tolerances(alone, {name: each[1:2] for name, each in all_faces.items()})


def test_photographs_are_aligned_as_on_the_cpu(accelerator, cpu):
    """Enlarged, shrunk, and averaged first. Coordinates are in full float32; TF32 would move them by a pixel."""
    photo = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), np.uint8)
    landmarks = np.stack([np.array(ARCFACE_TEMPLATE, np.float32) * scale + 200 for scale in (0.7, 1.9, 3.1, 8.7)])
    found, expected = (pfiq_jax.align(*jax.device_put((photo, landmarks), device)) for device in (accelerator, cpu))
    assert found.devices() == {accelerator}
    np.testing.assert_allclose(found, np.asarray(expected), rtol=0, atol=0.5)  # of noise between 0 and 255


def test_results_stay_on_the_device(accelerator, images):
    recognizer, images = jax.device_put((random_iresnet(18), images), accelerator)
    with jax.transfer_guard_device_to_host("disallow"):
        results = [
            recognizer.embed(images),
            pfiq_jax.face_quality(recognizer, images),
            pfiq_jax.pixel_quality(recognizer, images).map,
        ]
    assert [each.devices() for each in results] == [{accelerator}] * len(results)
