"""Every architecture and option: shapes, the two functions, a learned quality, and what a file keeps of it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import (
    InceptionResNetV1,
    IResNet,
    MobileFaceNet,
    Preprocessing,
    Provenance,
    Recognizer,
    SFace,
    load_recognizer,
    pixel_quality,
    ser_fiq_closed_form,
)
from pfiq_jax.recognizers.iresnet import BLOCKS_PER_STAGE, WIDTHS
from pfiq_jax.recognizers.weights_file import named_leaves

NETWORKS = [
    (IResNet(18), (7, 7, 512), 512),
    (IResNet(18, dim=8, pooled_shortcut=True, squeeze_excitation=True), (7, 7, 512), 8),
    (IResNet(18, dim=8, quality_head=True), (7, 7, 512), 8),
    (SFace(), (7, 7, 1024), 128),
    (MobileFaceNet(), (7, 7, 512), 128),
    (InceptionResNetV1(), (3, 3, 1792), 512),
]
networks = pytest.mark.parametrize(
    ("network", "features", "dim"), NETWORKS, ids=[str(network) for network, *_ in NETWORKS]
)


def shape_of(network):
    """A recogniser without values."""
    size = (160, 160) if isinstance(network, InceptionResNetV1) else (112, 112)
    return Recognizer(network.shapes(), network, Preprocessing(size=size), dropout_rate=0.4)


@networks
def test_shapes(network, features, dim):
    wanted = jax.eval_shape(network.initialize, jax.random.key(0))
    given, wanted = ([(n, x.shape, x.dtype) for n, x in named_leaves(tree)] for tree in (network.shapes(), wanted))
    assert given == wanted
    recognizer = shape_of(network)
    images = jax.ShapeDtypeStruct((2, *recognizer.preprocessing.size, 3), jnp.float32)
    assert jax.eval_shape(Recognizer.features, recognizer, images).shape == (2, *features)
    assert jax.eval_shape(Recognizer.embed, recognizer, images).shape == (2, dim)
    assert jax.eval_shape(ser_fiq_closed_form, recognizer, images).shape == (2,)
    assert jax.eval_shape(pixel_quality, recognizer, images).map.shape == images.shape[:-1]


def count(network):
    """Trainable parameters, without running statistics."""
    flat, _ = jax.tree_util.tree_flatten_with_path(network.shapes())
    return sum(leaf.size for path, leaf in flat if path[-1].key not in ("mean", "var"))


def test_options_add_and_remove_what_they_say():
    depth = 18
    plain = count(IResNet(depth))
    assert count(IResNet(depth, quality_head=True)) == plain + 512 + 1
    assert count(IResNet(depth, pooled_shortcut=True)) == plain - 64 * 64 - 2 * 64
    excitation = sum(2 * n * width * width // 16 for n, width in zip(BLOCKS_PER_STAGE[depth], WIDTHS, strict=True))
    assert count(IResNet(depth, squeeze_excitation=True)) == plain + excitation


def test_a_learned_quality_is_affine_in_the_embedding():
    network = IResNet(18, dim=4, quality_head=True)
    parameters = {"quality_head": {"kernel": jnp.arange(4.0)[:, None], "bias": jnp.ones(1)}}
    embedding = np.array([[1, 1, 1, 1], [0, 0, 0, -2]], np.float32)
    np.testing.assert_array_equal(network.learned_quality(parameters, jnp.asarray(embedding)), [7, -5])


@networks
def test_files_keep_the_options_and_the_preprocessing(network, features, dim, tmp_path):
    template = tuple((float(x), float(x + 50)) for x in range(5))
    preprocessing = Preprocessing(scale=(1 / 255,) * 3, channel_order="BGR", template=template)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), network.shapes())
    recognizer = dataclasses.replace(
        Recognizer(zeros, network, preprocessing, 0.4),
        dropout_granularity="channel",
        provenance=Provenance(source="a.pt"),
    )
    recognizer.save(tmp_path / "a.safetensors")
    loaded = load_recognizer(tmp_path / "a.safetensors")
    assert jax.tree.structure(loaded) == jax.tree.structure(recognizer)
    assert loaded.provenance == recognizer.provenance
    assert (loaded.network, loaded.preprocessing) == (network, preprocessing)
