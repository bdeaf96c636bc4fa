"""Every score and map under JAX's transformations: a new method is covered by being registered.

On a tiny network that has all that any method needs. What a transformation refuses, it refuses while it traces, so most
of these tests trace and compile nothing. What only shows in numbers is compiled: NaN, and distribution by XLA.
"""

import contextlib
import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from pfiq_jax import (
    ACTIVATION_METHODS,
    ARCFACE_TORCH,
    MAP_METHODS,
    QUALITY_METHODS,
    Calibration,
    IResNet,
    Recognizer,
    relative_norm,
    ser_fiq,
)
from pfiq_jax.good_faces import GoodFaces
from pfiq_jax.learned_head import LearnedHead
from pfiq_jax.maps.contribution import explain_layers
from pfiq_jax.recognizers.embedding_head import EmbeddingHead
from pfiq_jax.recognizers.layers import ConvLayer, DepthwiseConv, conv3x3

WIDTH = 4
COLLECTIVE = re.compile("all-gather|all-reduce|all-to-all|collective|reduce-scatter")
BATCH, EVERYWHERE = PartitionSpec("batch"), PartitionSpec()
RECORDS = {**QUALITY_METHODS, **MAP_METHODS, **ACTIVATION_METHODS}
# Each stands for a way of computing; `pytest -m ''` transforms all but those of very many passes, whose programs take
# minutes to compile.
MOST_PASSES = 100
DEFAULT = {"relative_norm", "ser_fiq", "grafiqs_block4", "plq", "contribution", "sampled_score_cam"}
# Of these, JAX 0.12 differentiates none on an explicit mesh that is not current: in the gradient of `jax.lax.map` or
# `jax.lax.scan` it drops the sharding of arrays that are closed over, here the parameters.
CLOSE_OVER_PARAMETERS = {
    *("unit_contribution", "unit_coherence", "smooth_grad", "integrated_gradients", "shapley", "occlusion_16"),
    "sampled_score_cam",
}
all_methods = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
methods = pytest.mark.parametrize(
    "record",
    [
        pytest.param(record, id=name, marks=() if name in DEFAULT else pytest.mark.slow)
        for name, record in RECORDS.items()
        if record.passes <= MOST_PASSES
    ],
)


@dataclasses.dataclass(frozen=True)
class Tiny(IResNet):
    """An IResNet by its interface, with a trunk that compiles fast and has depthwise convolutions of both strides."""

    depth: int = 18
    dim: int = 8
    quality_head: bool = True

    @property
    def blocks(self) -> tuple[str, ...]:
        return tuple(f"trunk.layers.{index:02}" for index in (0, 1, 2, 4))

    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        return TinyTrunk(rngs)

    def build_head(self, rngs: nnx.Rngs) -> EmbeddingHead:
        return EmbeddingHead(WIDTH, self.dim, epsilon=self.epsilon, rngs=rngs)


class TinyTrunk(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        convs = [conv3x3(3, WIDTH, stride=2, rngs=rngs)]
        convs += [DepthwiseConv(WIDTH, stride=stride, rngs=rngs) for stride in (2, 2, 1, 2)]
        self.layers = nnx.List(ConvLayer(conv, WIDTH, epsilon=1e-5, rngs=rngs) for conv in convs)

    def __call__(self, x):
        return functools.reduce(lambda x, layer: layer(x), self.layers, x)


@pytest.fixture(scope="module")
def tiny() -> Recognizer:
    network = Tiny()
    recognizer = Recognizer(network.initialize(jax.random.key(0)), network, ARCFACE_TORCH)
    calibration = Calibration("relative_norm", 1.0, 1.0, np.zeros(0), "none")
    noise = jax.random.uniform(jax.random.key(1), (100, 112, 112, 3), maxval=255)
    explained = jax.jit(explain_layers)(recognizer, noise)
    good_faces = GoodFaces.fit(*jax.device_get(explained[2:]), (112, 112), reference="noise")
    learned_head = LearnedHead(np.linspace(-1, 1, WIDTH + 2), np.ones(1), "none")
    calibrated = dataclasses.replace(
        recognizer.calibrated(calibration), good_faces=good_faces, learned_head=learned_head
    )
    return jax.tree.map(jnp.asarray, calibrated)


@pytest.fixture(scope="module")
def images() -> jax.Array:
    coarse = np.random.default_rng(0).uniform(0, 255, (8, 14, 14, 3)).astype(np.float32)
    return jnp.asarray(coarse.repeat(8, 1).repeat(8, 2))


def total(compute):
    """The sum of all results, to take gradients of."""
    return lambda recognizer, images: sum(jnp.sum(leaf) for leaf in jax.tree.leaves(compute(recognizer, images)))


def shapes(tree):
    return [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]


def check_numbers_only_in_place(found, expected, good):
    """NaN everywhere in the rows of faces that are not good, and the expected numbers in the others."""
    for leaf, wanted in zip(*(map(np.asarray, jax.tree.leaves(tree)) for tree in (found, expected)), strict=True):
        spoiled = np.delete(leaf, good, 0)
        assert np.isnan(spoiled).all(), f"{np.mean(~np.isnan(spoiled)):.0%} of {leaf.shape} are numbers"
        np.testing.assert_allclose(leaf[good], wanted[good], rtol=1e-4, atol=1e-5)


@all_methods
def test_arguments_closed_over(tiny, images, record):
    pair = images[:2]
    expected = shapes(jax.eval_shape(record.compute, tiny, pair))
    assert shapes(jax.eval_shape(lambda recognizer: record.compute(recognizer, pair), tiny)) == expected
    assert shapes(jax.eval_shape(lambda images: record.compute(tiny, images), pair)) == expected
    assert shapes(jax.eval_shape(lambda: record.compute(tiny, pair))) == expected
    in_scan = jax.eval_shape(lambda: jax.lax.scan(lambda carry, _: (carry, record.compute(tiny, pair)), 0, length=3)[1])
    assert shapes(in_scan) == [((3, *shape), dtype) for shape, dtype in expected]


@methods
def test_vmap_and_scan_over_images_and_vmap_over_recognisers(tiny, images, record):
    pair = images[:2]
    expected = shapes(jax.eval_shape(record.compute, tiny, pair))
    assert shapes(jax.eval_shape(jax.vmap(record.compute, (None, 0)), tiny, pair)) == expected
    scan = functools.partial(jax.lax.scan, lambda carry, image: (carry, record.compute(tiny, image)), 0)
    assert shapes(jax.eval_shape(lambda images: scan(images)[1], pair)) == expected
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), tiny)
    over_recognizers = jax.eval_shape(jax.vmap(record.compute, (0, None)), two, pair)
    assert shapes(over_recognizers) == [((2, *shape), dtype) for shape, dtype in expected]


@methods
def test_gradients_of_a_checkpointed_function(tiny, images, record):
    gradients = jax.eval_shape(jax.grad(total(jax.checkpoint(record.compute)), (0, 1)), tiny, images[:1])
    assert shapes(gradients) == shapes((tiny, images[:1]))


@methods
def test_gradients_are_finite(tiny, images, record):
    if not record.differentiable:
        pytest.skip("not meant to be differentiated")
    for leaf in jax.tree.leaves(jax.jit(jax.grad(total(record.compute), (0, 1)))(tiny, images[:1])):
        assert jnp.isfinite(leaf).all()


@methods
def test_forward_mode(tiny, images, record):
    """Alone, under ``vmap``, and over reverse mode, which together give products with the Hessian."""
    image = images[:1]
    score = functools.partial(total(record.compute), tiny)

    def along(direction):
        return jax.jvp(score, (image,), (direction,))[1]

    assert shapes(jax.eval_shape(jax.vmap(along), images[:3, None])) == [((3,), jnp.float32)]
    product = jax.eval_shape(lambda direction: jax.jvp(jax.grad(score), (image,), (direction,))[1], image)
    assert shapes(product) == shapes(image)


def test_derivatives_in_forward_mode_are_those_of_reverse_mode(tiny, images):
    pixels, direction = images[:2], jnp.cos(images[:2])

    def score(pixels):
        return jnp.sum(relative_norm(tiny, pixels))

    @jax.jit
    def derivatives(pixels, direction):
        slope, by_forward = jax.jvp(jax.grad(score), (pixels,), (direction,))
        by_reverse = jax.grad(lambda pixels: jnp.vdot(jax.grad(score)(pixels), direction))(pixels)
        _, along = jax.jvp(score, (pixels,), (direction,))
        return (along, by_forward), (jnp.vdot(slope, direction), by_reverse)

    for found, expected in zip(*derivatives(pixels, direction), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@methods
def test_explicit_axes_shard_results_and_gradients_as_their_images(tiny, images, record, request):
    """The mesh that ``jax.make_mesh`` makes by default; shardings are part of the types that tracing gives."""
    only_current = jax.__version_info__ >= (0, 12) and request.node.callspec.id in CLOSE_OVER_PARAMETERS
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Explicit,))
    recognizer, batch = jax.device_put((tiny, images), tuple(NamedSharding(mesh, spec) for spec in (EVERYWHERE, BATCH)))
    for current in (True, False):
        with jax.set_mesh(mesh) if current else contextlib.nullcontext():
            found = [jax.eval_shape(record.compute, recognizer, batch)]
            if current or not only_current:
                found += jax.eval_shape(jax.grad(total(record.compute), (0, 1)), recognizer, batch)[1:]
        for leaf in jax.tree.leaves(found):
            assert leaf.sharding.spec[0] == "batch"
    for leaf in jax.tree.leaves(jax.eval_shape(lambda batch: record.compute(tiny, batch), batch)):
        assert leaf.sharding.spec[0] == "batch"


@methods
def test_auto_axes_shard_results_as_their_images(tiny, images, record):
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
    by_batch = NamedSharding(mesh, BATCH)
    recognizer, batch = jax.device_put((tiny, images), (NamedSharding(mesh, EVERYWHERE), by_batch))
    program = jax.jit(record.compute).lower(recognizer, batch).compile()
    for leaf, sharding in zip(
        jax.tree.leaves(jax.eval_shape(record.compute, tiny, images)),
        jax.tree.leaves(program.output_shardings),
        strict=True,
    ):
        assert sharding.is_equivalent_to(by_batch, leaf.ndim), sharding
    assert not COLLECTIVE.search(program.as_text())  # no device waits for another one


@methods
def test_inside_shard_map(tiny, images, record):
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))

    def loss(recognizer, images):
        return jax.lax.psum(total(record.compute)(recognizer, images), "batch")

    mapped = jax.shard_map(record.compute, mesh=mesh, in_specs=(EVERYWHERE, BATCH), out_specs=BATCH)
    assert shapes(jax.eval_shape(mapped, tiny, images)) == shapes(jax.eval_shape(record.compute, tiny, images))
    summed = jax.shard_map(loss, mesh=mesh, in_specs=(EVERYWHERE, BATCH), out_specs=EVERYWHERE)
    assert shapes(jax.eval_shape(jax.grad(summed, (0, 1)), tiny, images)) == shapes((tiny, images))


@all_methods
def test_a_trunk_in_bfloat16_changes_no_dtype(tiny, images, record):
    expected = shapes(jax.eval_shape(record.compute, tiny, images))
    assert shapes(jax.eval_shape(record.compute, tiny.with_precision("bfloat16"), images)) == expected


@methods
def test_x64_changes_no_dtype(tiny, images, record):
    expected = shapes(jax.eval_shape(record.compute, tiny, images[:2]))
    with jax.enable_x64(True):
        assert shapes(jax.eval_shape(record.compute, tiny, images[:2])) == expected
        gradients = jax.eval_shape(jax.grad(total(record.compute), (0, 1)), tiny, images[:1])
    assert shapes(gradients) == shapes((tiny, images[:1]))


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(RECORDS[name], id=name, marks=() if name == "ser_fiq" else pytest.mark.slow)
        for name in ("ser_fiq", "faceqan", "smooth_grad", "shapley", "prefiqs")
    ],
)
def test_x64_changes_no_draw(tiny, images, record):
    expected = jax.jit(record.compute)(tiny, images[:2])
    with jax.enable_x64(True):
        found = jax.jit(record.compute)(tiny, images[:2])
    for leaf, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(leaf, wanted, rtol=1e-4, atol=1e-5)


@methods
def test_a_symbolic_batch_can_be_exported(tiny, record):
    (batch,) = jax.export.symbolic_shape("batch")
    abstract = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tiny)
    exported = jax.export.export(jax.jit(record.compute))(
        abstract, jax.ShapeDtypeStruct((batch, 112, 112, 3), jnp.float32)
    )
    assert all(leaf.shape[0] == batch for leaf in exported.out_avals)


@methods
def test_nan_in_nan_out_and_the_other_faces_as_before(tiny, images, record):
    """Jitted, where XLA's maximum drops NaN on CPUs; eager images of NaN are an error."""
    compute = jax.jit(record.compute)
    expected = compute(tiny, images[:3])
    check_numbers_only_in_place(compute(tiny, images[:3].at[1].set(jnp.nan)), expected, [0, 2])
    faulty = dataclasses.replace(tiny, parameters=jax.tree.map(lambda leaf: leaf * jnp.nan, tiny.parameters))
    check_numbers_only_in_place(compute(faulty, images[:3]), expected, [])
    check_numbers_only_in_place(record.compute(faulty, images[:3]), expected, [])


def test_an_empty_batch_has_no_score(tiny, images):
    assert ser_fiq(jax.random.key(0), tiny, images[:0]).shape == (0,)
