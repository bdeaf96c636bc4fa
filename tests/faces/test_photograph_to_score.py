"""From photographs and landmarks to scores and maps: one compiled program, exportable, differentiable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from PIL import Image

from pfiq_jax import Calibration, align, detect, face_quality, load_detector, pixel_quality, relative_norm
from pfiq_jax.faces import DEMO_FACE
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE


@pytest.fixture(scope="module")
def two_photographs() -> tuple[np.ndarray, np.ndarray]:
    """A light and a dark one of the bundled face, enlarged threefold; and landmarks."""
    face = np.asarray(Image.open(DEMO_FACE).convert("RGB").resize((336, 336), Image.Resampling.BICUBIC))
    photo = np.pad(face, ((20, 44), (50, 14), (0, 0)), mode="edge").astype(np.float32)
    points = ((np.array(ARCFACE_TEMPLATE) + 0.5) * 3 - 0.5 + (50, 20)).astype(np.float32)
    return np.stack([photo, photo / 2]), np.stack([points, points + 1])


def test_from_photograph_to_quality_is_one_program(small, two_photographs):
    raw = relative_norm(small, align(*two_photographs)).mean()
    small = small.calibrated(Calibration("relative_norm", 1 / raw, raw, np.zeros(0), "none"))  # near the middle
    scope = jax.export.SymbolicScope()

    def quality(recognizer, photos, landmarks):
        return face_quality(recognizer, align(photos, landmarks))

    scores = jax.jit(quality)(small, *two_photographs)
    assert jnp.ptp(scores) > 0.01
    np.testing.assert_allclose(scores, face_quality(small, align(*two_photographs)), rtol=1e-4)
    exported = jax.export.export(jax.jit(quality), platforms=("cpu", "cuda", "tpu"))(small, *two_photographs)
    np.testing.assert_allclose(exported.call(small, *two_photographs), scores, rtol=1e-4)
    photos, landmarks = (
        jax.ShapeDtypeStruct(jax.export.symbolic_shape(shape, scope=scope), np.float32)
        for shape in ("batch, 400, 400, 3", "batch, 5, 2")
    )
    any_batch = jax.export.export(jax.jit(quality))(small, photos, landmarks)
    np.testing.assert_allclose(any_batch.call(small, *two_photographs), scores, rtol=1e-4)

    gradients = jax.jit(jax.grad(lambda *inputs: quality(*inputs).sum(), (1, 2)))(small, *two_photographs)
    for leaf in gradients:
        assert jnp.isfinite(leaf).all()
        assert jnp.abs(leaf).max() > 0


def test_detection_alignment_and_quality_of_a_batch_are_one_program(small, two_photographs):
    def of_surest_face(photos):
        faces = detect(detector, photos)
        return relative_norm(small, align(photos, faces.landmarks[:, 0])), faces.valid[:, 0]

    detector = load_detector()
    photos = np.concatenate([two_photographs[0], np.full_like(two_photographs[0][:1], 90)])
    scores, valid = jax.jit(of_surest_face)(photos)
    assert valid.tolist() == [True, True, False]
    found = np.asarray(detect(detector, photos).landmarks[:2, 0])
    np.testing.assert_allclose(scores[:2], relative_norm(small, align(photos[:2], found)), rtol=1e-4)
    file = jax.export.export(jax.jit(of_surest_face))(photos).serialize()
    np.testing.assert_allclose(jax.export.deserialize(file).call(photos)[0], scores, rtol=1e-4)


def test_photographs_sharded_over_eight_devices_give_sharded_crops():
    points = np.array(ARCFACE_TEMPLATE, np.float32) * 2.2 + np.arange(8, dtype=np.float32)[:, None, None]
    photos = np.random.default_rng(0).integers(0, 256, (8, 300, 260, 3), np.uint8)
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        crops = jax.jit(align)(jax.device_put(photos, P("batch")), jax.device_put(points, P("batch")))
    assert jax.typeof(crops).sharding.spec[0] == "batch"
    np.testing.assert_allclose(crops, align(photos, points), atol=1e-3)


@pytest.mark.slow
def test_from_photograph_to_maps_is_one_file(recognizer, two_photographs):
    """The exported program holds the network, and runs without this library."""
    photos, landmarks = two_photographs[0].astype(np.uint8), two_photographs[1]

    def explain(photos, landmarks):
        return tuple(pixel_quality(recognizer, align(photos, landmarks)))

    file = jax.export.export(jax.jit(explain))(photos, landmarks).serialize()
    quality, _, contribution, _ = jax.export.deserialize(file).call(photos, landmarks)
    wanted = pixel_quality(recognizer, align(photos, landmarks))
    np.testing.assert_allclose(quality, wanted.quality, atol=1e-3)
    np.testing.assert_allclose(contribution, wanted.map, atol=0.02)


@pytest.mark.slow
def test_quality_has_gradients_by_pixels_and_landmarks(recognizer, two_photographs):
    def total(recognizer, photos, landmarks):
        return face_quality(recognizer, align(photos, landmarks)).sum()

    for leaf in jax.jit(jax.grad(total, (1, 2)))(recognizer, *two_photographs):
        assert jnp.isfinite(leaf).all()
        assert jnp.abs(leaf).max() > 0
