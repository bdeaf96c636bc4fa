"""Every public function: its form, its documentation, and the transformations and platforms it works under."""

import functools
import importlib.metadata
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import pfiq_jax
from pfiq_jax import Recognizer, pixel_quality, ser_fiq, ser_fiq_closed_form

KEY = jax.random.key(0)
SCORES = {
    "embed": Recognizer.embed,
    "features": Recognizer.features,
    "ser_fiq": functools.partial(ser_fiq, KEY, num_masks=6),
    "ser_fiq_closed_form": ser_fiq_closed_form,
    "pixel_quality": pixel_quality,
    "pixel_quality_published": functools.partial(pixel_quality, regressor="published"),
}
FAST = "ser_fiq"  # the one that is transformed by default too
functions = pytest.mark.parametrize(
    "function",
    [
        pytest.param(function, id=name, marks=() if name == FAST else pytest.mark.slow)
        for name, function in SCORES.items()
    ],
)
PUBLIC = [getattr(pfiq_jax, name) for name in pfiq_jax.__all__]
LOADERS = (pfiq_jax.load_recognizer, pfiq_jax.load_detector)  # whose file is optional
PUBLIC_FUNCTIONS = [item for item in PUBLIC if inspect.isfunction(item)]


@pytest.fixture(scope="module")
def images():
    """Eight disturbed copies of the bundled face, so that these tests run without other data."""
    face = pfiq_jax.demo_face().astype(np.float32)
    return np.stack([np.roll(face, shift, 1) * gain for shift in (0, 5, 10, 15) for gain in (1, 0.5)])


def close(left, right, tolerance=5e-3):
    """Trees of arrays equal up to a tolerance in units of each one's length: rounding flips some PReLUs' slopes."""
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert a.shape == b.shape
        assert jnp.linalg.norm(jnp.ravel(a - b)) <= tolerance * jnp.linalg.norm(jnp.ravel(b))


def test_names_of_the_contract_are_there():
    scores = {
        "face_quality",
        "relative_norm",
        "ser_fiq",
        "ser_fiq_closed_form",
        "magface",
        "cr_fiqa",
        "grafiqs",
        "prefiqs",
    }
    others = {"load_recognizer", "Recognizer", "Forward", "Calibration", "pixel_quality", "PixelQuality"}
    photographs = {"align", "load_detector", "detect", "find_faces", "Faces"}
    assert scores | others | photographs | {"plot_pixel_quality", "PfiqError"} <= set(pfiq_jax.__all__)
    assert pfiq_jax.__version__ == importlib.metadata.version("pfiq-jax")
    assert {"forward", "features", "head", "embed", "save"} <= set(dir(Recognizer))
    assert pfiq_jax.PixelQuality._fields == ("quality", "gradient", "map", "deficit")


@pytest.mark.parametrize("function", PUBLIC_FUNCTIONS, ids=lambda function: function.__name__)
def test_key_first_then_recognizer_then_images_all_else_by_keyword(function):
    order = ["key", "recognizer", "images"]
    parameters = list(inspect.signature(function).parameters.values())
    positional = [parameter for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY]
    known = [parameter.name for parameter in positional if parameter.name in order]
    assert known == sorted(known, key=order.index)
    assert [parameter.name for parameter in positional][: len(known)] == known
    for parameter in parameters:
        optional = parameter.default is not parameter.empty
        assert not optional or parameter.kind is parameter.KEYWORD_ONLY or function in LOADERS


@pytest.mark.parametrize("item", [item for item in PUBLIC if hasattr(item, "__name__")], ids=lambda item: item.__name__)
def test_everything_public_is_documented(item):
    assert inspect.getdoc(item)
    for name, method in inspect.getmembers(item, inspect.isfunction) if inspect.isclass(item) else ():
        assert name.startswith("_") or inspect.getdoc(method), f"{item.__name__}.{name}"


@pytest.mark.parametrize("function", [ser_fiq, ser_fiq_closed_form, pixel_quality])
def test_docstrings_tell_direction_range_and_errors(function):
    for part in ("igher is better", "Args:", "Raises:", "0..255"):
        assert part in inspect.getdoc(function)


@functions
def test_jit_and_vmap(function, recognizer, images):
    eager = function(recognizer, images[:2])
    close(jax.jit(function)(recognizer, images[:2]), eager)
    close(jax.jit(jax.vmap(function, (None, 0)))(recognizer, images[:2]), eager)


@functions
def test_gradients_by_pixels_and_by_parameters_are_finite(function, recognizer, images):
    def total(recognizer, images):
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(function(recognizer, images)))

    gradients = jax.jit(jax.grad(total, (0, 1)))(recognizer, images[:1])
    for leaf in jax.tree.leaves(gradients):
        assert jnp.isfinite(leaf).all()
    assert jnp.abs(gradients[1]).max() > 0


@functions
def test_batch_sharded_over_eight_devices(function, recognizer, images):
    assert jax.device_count() == 8
    mesh = Mesh(np.array(jax.devices()), "batch")
    everywhere, by_batch = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("batch"))
    sharded = jax.jit(function)(jax.device_put(recognizer, everywhere), jax.device_put(images, by_batch))
    assert all(len(leaf.sharding.device_set) == 8 for leaf in jax.tree.leaves(sharded))
    close(sharded, jax.jit(function)(recognizer, images))


@functions
def test_shard_map_over_eight_devices(function, recognizer, images):
    mesh = Mesh(np.array(jax.devices()), "batch")
    mapped = jax.shard_map(
        function, mesh=mesh, in_specs=(PartitionSpec(), PartitionSpec("batch")), out_specs=PartitionSpec("batch")
    )
    close(jax.jit(mapped)(recognizer, images), jax.jit(function)(recognizer, images))


@pytest.mark.slow
def test_vmap_over_keys_and_over_recognisers(recognizer, images):
    keys = jax.random.split(KEY, 3)
    over_keys = jax.vmap(functools.partial(ser_fiq, num_masks=3), (0, None, None))
    assert jax.jit(over_keys)(keys, recognizer, images[:2]).shape == (3, 2)
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), recognizer)
    over_recognizers = jax.vmap(ser_fiq_closed_form, (0, None))
    expected = jax.jit(ser_fiq_closed_form)(recognizer, images[0])
    close(jax.jit(over_recognizers)(stacked, images[0])[1], expected)


@functions
def test_lowers_for_cpu_cuda_and_tpu(function, recognizer, images):
    exported = jax.export.export(jax.jit(function), platforms=("cpu", "cuda", "tpu"))(recognizer, images[:2])
    assert exported.platforms == ("cpu", "cuda", "tpu")


@pytest.mark.parametrize("function", SCORES.values(), ids=SCORES)
def test_traced_once_a_shape(function, small, images):
    traces = []

    @jax.jit
    def counted(small, images):
        traces.append(images.shape)
        return function(small, images)

    for batch in (images[:2], images[2:4], images[:1], images[1:2]):
        counted(small, batch)
    assert traces == [images[:2].shape, images[:1].shape]
