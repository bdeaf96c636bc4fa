"""Score-CAM compared with a plain one in torch and the published map, and what holds for every network."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import PfiqError, Preprocessing, Recognizer, SFace, score_cam
from pfiq_jax.maps.activation_map import activation_map, upsample
from pfiq_jax.maps.score_cam import blank_image
from weights_convert.convert import convert
from weights_convert.readers import read
from weights_convert.runtimes import mxnet_runtime

VARIANTS = ("amva", "paper")
SCORES = ("cosine", "argmax_softmax", "neg_l2")
EVERY = 8  # of how many channels one is compared with torch; each costs a pass
# Fu and Damer's published map as far as methods print it: four decimals.
PRINTED_GRID = np.array(
    [
        [0.1360, 0.1567, 0.2277, 0.2219, 0.3468, 0.2759, 0.2176],
        [0.2095, 0.2239, 0.2967, 0.3743, 0.4500, 0.4117, 0.3791],
        [0.1541, 0.3044, 0.4140, 0.4367, 0.7335, 0.5456, 0.4687],
        [0.1557, 0.3788, 0.6007, 0.5378, 0.9015, 0.7895, 0.4608],
        [0.0785, 0.2244, 0.5277, 0.8782, 0.9519, 0.8131, 0.5305],
        [0.0647, 0.2485, 0.4989, 0.6656, 1.0093, 0.7657, 0.4660],
        [0.0000, 0.1395, 0.3516, 0.4814, 0.6962, 0.4763, 0.2786],
    ]
)


def test_published_map_is_a_grid_made_large(data):
    """From four decimals within a half of the last one; from the grid that the map itself has within rounding."""
    published = np.load(data / "golden" / "amva_example_map.npy")
    places = np.clip((np.arange(112) + 0.5) / 16 - 0.5, 0, 6)
    bilinear = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(7)))
    inverse = np.linalg.pinv(bilinear)
    recovered = inverse @ published.astype(np.float64) @ inverse.T
    np.testing.assert_allclose(recovered, PRINTED_GRID, atol=5e-5)
    for grid, tolerance in ((recovered, 1e-6), (PRINTED_GRID, 6e-5)):
        ours = activation_map(jnp.asarray(grid, jnp.float32), (112, 112))
        np.testing.assert_allclose(ours, published, atol=tolerance)
        np.testing.assert_allclose(activation_map(jnp.asarray(3 * grid + 1, jnp.float32), (112, 112)), ours, atol=2e-6)


@pytest.mark.parametrize(("grid", "size"), [((7, 7), (112, 112)), ((3, 3), (160, 160)), ((5, 4), (112, 96))])
def test_upsampling_is_torchs(torch, grid, size):
    grids = np.random.default_rng(0).normal(size=(4, *grid)).astype(np.float32)
    theirs = torch.nn.functional.interpolate(torch.tensor(grids)[None], size, mode="bilinear", align_corners=False)
    np.testing.assert_allclose(upsample(jnp.asarray(grids), size), theirs[0], atol=1e-6)


@pytest.fixture(scope="module", params=["sface", "y1"])
def published(request, torch, recognizer, data):
    """A recogniser with weights of a published network, and that network in torch: features and embedding of pixels."""
    if request.param == "sface":
        from benchmarks.torch_sface import TorchSFace

        network = TorchSFace(recognizer)
        return recognizer, lambda pixels: network.trunk((pixels - 127.5) / 128), network
    source = read(data / "weights" / "mobilefacenet_y1" / "model-0000.params")

    def features(pixels):
        layers = mxnet_runtime.run(source, pixels.numpy(), layers=True).layers
        return torch.tensor(layers["conv_6sep_relu_gamma"])

    return convert(source), features, lambda pixels: torch.tensor(mxnet_runtime.run(source, pixels.numpy()).embeddings)


def slow_score_cams(torch, features, embed, image, variant):
    """The maps of all scores by the published programs' lines, on a network's normalised input, from some channels."""
    network_input = (torch.tensor(image, dtype=torch.float32).permute(2, 0, 1)[None] - 127.5) / 128

    def model(inputs):
        return embed(inputs * 128 + 127.5)

    activations = features(network_input * 128 + 127.5)[0, ::EVERY]
    if variant == "amva":
        activations = torch.relu(activations)
    own, blank = model(network_input), model(torch.zeros_like(network_input))
    functions = {
        "cosine": lambda embeddings: torch.cosine_similarity(embeddings, own),
        "argmax_softmax": lambda embeddings: torch.softmax(embeddings, 1)[:, own.argmax()],
        "neg_l2": lambda embeddings: (blank - own).norm() - (embeddings - own).norm(dim=1),
    }
    totals = dict.fromkeys(functions, 0)
    for channels in activations.split(64):
        large = torch.nn.functional.interpolate(channels[:, None], (112, 112), mode="bilinear", align_corners=False)
        low, high = large.amin((1, 2, 3), keepdim=True), large.amax((1, 2, 3), keepdim=True)
        if variant == "amva":
            masks = large / torch.where(high != low, high - low, 1)
        else:
            large, low, high = (each[(high != low).flatten()] for each in (large, low, high))
            masks = (large - low) / (high - low)
        embeddings = model(network_input * masks)
        for score, function in functions.items():
            weights = function(embeddings)[:, None, None]
            totals[score] += (weights * (masks if variant == "amva" else large)[:, 0]).sum(0)
    positive = {score: torch.relu(total) for score, total in totals.items()}
    return {score: ((total - total.min()) / (total.max() - total.min())).numpy() for score, total in positive.items()}


@pytest.mark.parity
@pytest.mark.parametrize("variant", VARIANTS)
def test_matches_a_plain_score_cam_in_torch(published, torch, faces, variant):
    recognizer, features, embed = published
    face = faces["skimage/astronaut"]
    seen = recognizer.forward(face)
    seen = seen._replace(features=seen.features[..., ::EVERY])
    with torch.inference_mode():
        expected = slow_score_cams(torch, features, embed, face, variant)
    for score in ["cosine"] if isinstance(recognizer.network, SFace) else SCORES:  # each compiles the trunk
        ours = score_cam(recognizer, seen, variant=variant, score=score)
        np.testing.assert_allclose(ours, expected[score], atol=1e-4, err_msg=score)


def trunk(parameters, images):
    pooled = images.reshape(-1, 7, 16, 7, 16, 3).mean((2, 4))
    return jnp.tanh(pooled / 64 @ parameters["trunk"]) + jnp.expand_dims(parameters["shift"], (0, 1, 2))


def head(parameters, features):
    return features.reshape(len(features), -1) @ parameters["head"]


@pytest.fixture(scope="module")
def small() -> Recognizer:
    """A custom network with 10 channels; one is nowhere 0, and one is flat."""
    keys = jax.random.split(jax.random.key(0))
    parameters = {
        "trunk": jax.random.normal(keys[0], (3, 10)).at[:, 4].set(0),
        "shift": jnp.zeros(10).at[jnp.array([2, 4])].set(2.0),
        "head": jax.random.normal(keys[1], (7 * 7 * 10, 16)),
    }
    preprocessing = Preprocessing(mean=(90.0, 110.0, 130.0), channel_order="BGR")
    return Recognizer.from_functions(trunk, head, parameters, preprocessing=preprocessing)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 14, 14, 3), np.uint8).repeat(8, 1).repeat(8, 2)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("score", SCORES)
def test_range_and_jit_for_every_option(small, images, variant, score):
    function = functools.partial(score_cam, variant=variant, score=score)
    maps = function(small, images)
    assert maps.shape == (3, 112, 112)
    assert maps.dtype == jnp.float32
    np.testing.assert_array_equal(np.min(maps, (1, 2)), 0)
    assert ((np.max(maps, (1, 2)) <= 1) & (np.max(maps, (1, 2)) > 1 - 1e-6)).all()
    np.testing.assert_allclose(jax.jit(function)(small, images.astype(np.float32)), maps, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_chunks_of_any_size_give_the_same(small, images, variant):
    expected = score_cam(small, images, variant=variant, chunk_size=1)
    for chunk_size in (3, 10, 64):
        maps = score_cam(small, images, variant=variant, chunk_size=chunk_size)
        np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_an_image_does_not_depend_on_its_batch(small, images):
    alone, among = score_cam(small, images[1]), score_cam(small, images)
    assert alone.shape == (112, 112)
    np.testing.assert_allclose(alone, among[1], atol=1e-5)
    np.testing.assert_allclose(among[1], score_cam(small, images[[1, 1]])[0], atol=1e-5)


def test_masks_darken_to_the_preprocessings_mean(small):
    np.testing.assert_array_equal(small.preprocessing(blank_image(small)), 0)
    assert blank_image(small)[0, 0, 0].tolist() == [130, 110, 90]  # RGB


def test_another_size_of_images_and_features(facenet):
    """FaceNet's 1792 masked images take a minute, so they are only traced. A small network is run."""
    image = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    assert jax.eval_shape(score_cam, facenet, image).shape == (160, 160)

    def coarse_trunk(parameters, images):
        return images[:, :159, :159].reshape(-1, 3, 53, 3, 53, 3).mean((2, 4)) @ parameters

    def pooling_head(parameters, features):
        return features.mean((1, 2))

    weights = jax.random.normal(jax.random.key(0), (3, 5))
    coarse = Recognizer.from_functions(coarse_trunk, pooling_head, weights, preprocessing=facenet.preprocessing)
    activation = score_cam(coarse, image)
    assert activation.shape == (160, 160)
    assert np.ptp(activation) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("level", [-1.0, 0.0, 0.1])
def test_flat_features_give_zeros(small, images, variant, score, level):
    flat = {**small.parameters, "trunk": jnp.zeros((3, 10)), "shift": jnp.full(10, level)}
    recognizer = Recognizer.from_functions(trunk, head, flat)
    np.testing.assert_array_equal(score_cam(recognizer, images, variant=variant, score=score), 0)


def test_rounding_is_not_enlarged_to_a_map():
    """A flat grid differs by rounding where places are computed in registers of different widths."""
    rounding = 4 * np.finfo(np.float32).eps * np.random.default_rng(0).uniform(-1, 1, (2, 7, 7)).astype(np.float32)
    flat = np.array([1e-9, 1e4], np.float32)[:, None, None] * (1 + rounding)
    np.testing.assert_array_equal(activation_map(jnp.asarray(flat), (112, 112)), 0)
    steeper = jnp.asarray(flat).at[:, 3, 3].multiply(1 + 1e-4)
    assert np.ptp(activation_map(steeper, (112, 112)), (1, 2)).tolist() == [1, 1]
    with_nan = jnp.asarray(flat).at[0, 3, 3].set(jnp.nan)
    assert np.isnan(activation_map(with_nan, (112, 112))[0]).any()


def test_errors_name_the_culprit(small, images):
    unchecked = inspect.unwrap(score_cam)  # from the tests' own type checks
    with pytest.raises(PfiqError, match="variant is 'cam'; choose one of"):
        unchecked(small, images, variant="cam")
    with pytest.raises(PfiqError, match="score is 'dot'; choose one of"):
        unchecked(small, images, score="dot")
    with pytest.raises(PfiqError, match="chunk_size is 0"):
        score_cam(small, images, chunk_size=0)
    with pytest.raises(PfiqError, match="shape"):
        score_cam(small, images[:, :100])
