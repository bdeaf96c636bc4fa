"""What is seen inside networks: their BatchNorms over maps and their four blocks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import InceptionResNetV1, IResNet, MobileFaceNet, SFace
from pfiq_jax.recognizers.layer_outputs import norm_inputs
from pfiq_jax.recognizers.weights_file import named_leaves

NETWORKS = [
    (IResNet(50), 112, 78, ((56, 64), (28, 128), (14, 256), (7, 512))),  # as GraFIQs' authors count
    (IResNet(100), 112, 153, ((56, 64), (28, 128), (14, 256), (7, 512))),
    (
        IResNet(18, dim=8, pooled_shortcut=True, squeeze_excitation=True),
        112,
        29,
        ((56, 64), (28, 128), (14, 256), (7, 512)),
    ),
    (SFace(), 112, 28, ((56, 128), (28, 256), (14, 512), (7, 1024))),
    (MobileFaceNet(), 112, 49, ((56, 64), (28, 64), (14, 128), (7, 512))),
    (InceptionResNetV1(), 160, 111, ((36, 192), (17, 256), (8, 896), (3, 1792))),
]


@pytest.mark.parametrize(("network", "size", "norms", "blocks"), NETWORKS, ids=[str(each[0]) for each in NETWORKS])
def test_batch_norms_and_blocks(network, size, norms, blocks):
    def look(parameters, images):
        layers = network.layers(parameters, images)
        return norm_inputs(layers), [layers[name].output for name in network.blocks]

    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    seen, outputs = jax.eval_shape(look, network.shapes(), images)
    assert len(seen) == norms
    for norm in seen:
        assert norm.mean.shape == norm.var.shape == norm.maps.shape[-1:]
    assert [block.shape for block in outputs] == [(2, side, side, width) for side, width in blocks]


def test_layers_have_the_names_of_their_parameters():
    network = MobileFaceNet()
    images = jax.ShapeDtypeStruct((1, 112, 112, 3), jnp.float32)
    names: set[str] = set()

    def look(parameters, images):
        names.update(network.layers(parameters, images))
        return images

    jax.eval_shape(look, network.shapes(), images)
    of_parameters = {name.rpartition(".")[0] for name, _ in named_leaves(network.shapes())}
    assert of_parameters - names == {"head"}


@pytest.fixture(scope="module")
def inputs():
    return jax.random.normal(jax.random.key(0), (1, 112, 112, 3))


def test_probes_change_nothing(recognizer, inputs):
    network, parameters = recognizer.network, recognizer.parameters

    def look(parameters, inputs):
        layers = network.layers(parameters, inputs)
        return layers[network.blocks[-1]].output, layers["head.output_norm"].output

    features, embedding = jax.jit(look)(parameters, inputs)
    trunk = jax.jit(network.trunk)(parameters, inputs)
    np.testing.assert_array_equal(features, trunk)
    np.testing.assert_allclose(
        embedding, network.project(parameters, network.units(parameters, trunk)), rtol=1e-5, atol=1e-5
    )


def test_an_offset_is_added_to_a_layers_output(recognizer, inputs):
    network, parameters = recognizer.network, recognizer.parameters
    name = network.blocks[-1]

    def features(offset):
        return network.layers(parameters, inputs, offsets={name: offset})[name].output

    zeros = jnp.zeros((1, 7, 7, 1024))
    plain, shifted = (jax.jit(features)(offset) for offset in (zeros, zeros + 2))
    np.testing.assert_allclose(shifted - plain, 2, atol=1e-5)
    gradient = jax.jit(jax.grad(lambda offset: features(offset)[0, 3, 4, 5]))(zeros)
    assert gradient[0, 3, 4, 5] == 1
    assert jnp.sum(jnp.abs(gradient)) == 1
