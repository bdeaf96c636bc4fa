import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from safetensors.numpy import save_file

from pfiq_jax import IResNet, MobileFaceNet, PfiqError, Recognizer, SFace
from pfiq_jax.adapting import split_statistics, training_forward, with_parameters
from pfiq_jax.adapting.training import _drop
from pfiq_jax.recognizers.batch_norm import BatchNorm
from pfiq_jax.recognizers.weights_file import named_leaves
from weights_convert.convert import convert
from weights_convert.readers import read

KEY = jax.random.key(0)
TOLERANCE = 1e-4
RATE = 0.1  # of learning


def test_batch_norm_by_hand():
    """Two values of one channel: mean 3, variance 4, unbiased 8."""
    layer = BatchNorm(1, 0.0, nnx.Rngs(0))
    layer.use_running_average, layer.momentum = False, 0.9
    np.testing.assert_allclose(layer(jnp.array([[1.0], [5.0]])), [[-1], [1]])
    np.testing.assert_allclose(layer.mean[...], [0.3], rtol=1e-6)
    np.testing.assert_allclose(layer.var[...], [0.9 + 0.8], rtol=1e-6)
    layer.use_running_average = True
    np.testing.assert_allclose(layer(jnp.array([[0.3]])), [[0]], atol=1e-6)


@pytest.fixture(scope="module")
def network(random_parameters):
    return Recognizer(random_parameters(MobileFaceNet()), MobileFaceNet(), dropout_rate=0.4)


@pytest.fixture(scope="module")
def images():
    return jnp.asarray(np.random.default_rng(0).integers(0, 256, (4, 112, 112, 3), np.uint8))


def test_split_and_joined_again(recognizer):
    parameters, statistics = split_statistics(recognizer)
    names = {name for name, _ in named_leaves(statistics)}
    assert names == {n for n, is_weight in named_leaves(recognizer.trainable().parameters) if not is_weight}
    assert len(jax.tree.leaves(parameters)) + len(names) == len(jax.tree.leaves(recognizer.parameters))
    again = with_parameters(recognizer, parameters, statistics)
    jax.tree.map(np.testing.assert_array_equal, again.parameters, recognizer.parameters)
    assert again.calibrations == {}
    assert again.good_faces is None
    assert again.learned_head is None
    assert recognizer.calibrations


def test_frozen_statistics_give_the_embedding_and_return_unchanged(network, images):
    parameters, statistics = split_statistics(network)
    forward = training_forward(network, dropout_rate=0.0)
    embedding, same = jax.jit(forward)(parameters, statistics, KEY, images)
    np.testing.assert_allclose(embedding, network.embed(images), rtol=1e-4, atol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, same, statistics)


@pytest.mark.parametrize(("granularity", "equal"), [("unit", False), ("channel", True)])
def test_dropout_keeps_a_share_and_the_mean(granularity, equal):
    units = jnp.ones((200, 7, 7, 8))
    dropped = _drop(KEY, units, rate=0.25, granularity=granularity)
    np.testing.assert_allclose(np.unique(dropped), [0, 1 / (1 - 0.25)])
    np.testing.assert_allclose(jnp.mean(dropped), 1, atol=0.05)
    assert bool((dropped == dropped[:, :1, :1]).all()) == equal
    assert (dropped[0] != dropped[1]).any()  # each face has its own mask


def test_the_key_decides_the_dropout(network, images):
    parameters, statistics = split_statistics(network)
    forward = jax.jit(training_forward(network))  # at the recogniser's own rate
    first, again, other = (forward(parameters, statistics, key, images)[0] for key in (KEY, KEY, jax.random.key(1)))
    np.testing.assert_array_equal(first, again)
    assert (jnp.abs(first - other).max(1) > 0).all()


@pytest.mark.parametrize(
    "kind",
    [
        IResNet(18, dim=8, squeeze_excitation=True),
        pytest.param(IResNet(18, dim=8, quality_head=True), marks=pytest.mark.slow),
        pytest.param(SFace(), marks=pytest.mark.slow),
        pytest.param(MobileFaceNet(), marks=pytest.mark.slow),
        pytest.param("facenet", marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_every_network_trains_on_its_batch_statistics(kind, facenet):
    """Shapes only, so that nothing compiles: all statistics, and nothing else, come back."""
    recognizer = facenet if kind == "facenet" else Recognizer(kind.shapes(), kind, dropout_rate=0.4)
    parameters, statistics = split_statistics(recognizer)
    forward = training_forward(recognizer, batch_statistics=True)
    images = jax.ShapeDtypeStruct((3, *recognizer.preprocessing.size, 3), jnp.uint8)

    embedding, moved = jax.eval_shape(forward, parameters, statistics, KEY, images)
    assert embedding.shape == (3, recognizer.network.dim)
    assert shapes_of(moved) == shapes_of(statistics)


def shapes_of(tree):
    return [(name, leaf.shape, leaf.dtype) for name, leaf in named_leaves(tree)]


def test_a_custom_network_trains_with_frozen_statistics(small):
    parameters, statistics = split_statistics(small)
    forward = training_forward(small, dropout_rate=0.5)
    images = jnp.ones((2, 112, 112, 3))
    gradient = jax.grad(lambda p: jnp.sum(forward(p, statistics, KEY, images)[0]))(parameters)
    assert jnp.abs(gradient).max() > 0


def test_what_has_no_batch_statistics_is_refused(network, small, images):
    with pytest.raises(PfiqError, match="custom network"):
        training_forward(small, batch_statistics=True)
    with pytest.raises(PfiqError, match="folded"):
        training_forward(dataclasses.replace(network, folded_batch_norms=True), batch_statistics=True)
    with pytest.raises(PfiqError, match="momentum"):
        training_forward(network, momentum=1.0)
    with pytest.raises(PfiqError, match="dropout_rate"):
        training_forward(network, dropout_rate=1.5)
    with pytest.raises(PfiqError, match="two or more"):
        training_forward(network, batch_statistics=True)(*split_statistics(network), KEY, images[:1])


@pytest.mark.parity
@pytest.mark.slow  # compiles IResNet-18 and its gradient
def test_one_step_of_sgd_equals_torchs(torch, random_iresnet, faces, tmp_path):
    model = random_iresnet(18, dim=32)
    before = converted(model, tmp_path / "before.safetensors")
    images = np.stack(list(faces.values())[:16:2])
    targets = np.random.default_rng(0).standard_normal((len(images), 32), np.float32)

    model.train()
    optimizer = torch.optim.SGD(model.parameters(), RATE, momentum=0.9, weight_decay=5e-4)
    pixels = (torch.tensor(images.transpose(0, 3, 1, 2), dtype=torch.float32) / 255 - 0.5) / 0.5
    (model(pixels) * torch.tensor(targets)).mean().backward()
    optimizer.step()
    expected = converted(model, tmp_path / "after.safetensors")

    parameters, statistics = split_statistics(before)
    forward = training_forward(before, batch_statistics=True, dropout_rate=0.0)
    sgd = optax.chain(optax.add_decayed_weights(5e-4), optax.sgd(RATE, momentum=0.9))

    @jax.jit
    def step(parameters, statistics, images):
        def loss(parameters):
            embedding, moved = forward(parameters, statistics, KEY, images)
            return jnp.mean(embedding * targets), moved

        gradients, moved = jax.grad(loss, has_aux=True)(parameters)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            updates, _ = sgd.update(gradients, sgd.init(parameters), parameters)
            return optax.apply_updates(parameters, updates), moved

    found = with_parameters(before, *step(parameters, statistics, jnp.asarray(images)))
    for (name, new), (_, old), (_, wanted) in zip(
        *(named_leaves(each.parameters) for each in (found, before, expected)), strict=True
    ):
        error = np.linalg.norm(new - wanted)
        assert error < TOLERANCE * np.linalg.norm(wanted), name
        # Rounding flips some PReLUs' slopes, which changes gradients. Statistics depend on none.
        share = 1e-3 if name.endswith((".mean", ".var")) else 0.03
        assert error < share * np.linalg.norm(wanted - old), name


def converted(model, path) -> Recognizer:
    save_file({key: tensor.detach().numpy() for key, tensor in model.state_dict().items()}, path)
    return convert(read(path))
