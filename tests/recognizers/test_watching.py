"""What is seen inside networks: their BatchNorms over maps and their four blocks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import InceptionResNetV1, IResNet, MobileFaceNet, Preprocessing, Recognizer, SFace
from pfiq_jax.recognizers.watching import watch


@pytest.mark.parametrize(
    ("network", "norms", "widths"),
    [
        (IResNet(50), 78, (64, 128, 256, 512)),  # as GraFIQs' authors count
        (IResNet(100), 153, (64, 128, 256, 512)),
        (IResNet(18, dim=8, pooled_shortcut=True, squeeze_excitation=True), 29, (64, 128, 256, 512)),
        (SFace(), 28, (128, 256, 512, 1024)),
        (MobileFaceNet(), 49, (64, 64, 128, 512)),
    ],
    ids=["iresnet50", "iresnet100", "ir_se18", "sface", "mobilefacenet"],
)
def test_batch_norms_and_blocks(network, norms, widths):
    images = jax.ShapeDtypeStruct((2, 112, 112, 3), np.uint8)
    with watch() as seen:
        jax.eval_shape(Recognizer.embed, Recognizer(network.shapes(), network), images)
    assert len(seen.norms) == norms
    for norm in seen.norms:
        assert norm.mean.shape == norm.var.shape == norm.maps.shape[-1:]
    shapes = [(2, side, side, width) for side, width in zip((56, 28, 14, 7), widths, strict=True)]
    assert [block.shape for block in seen.blocks] == shapes


def test_blocks_of_facenet():
    network = InceptionResNetV1()
    recognizer = Recognizer(network.shapes(), network, Preprocessing(size=(160, 160)))
    with watch() as seen:
        jax.eval_shape(Recognizer.embed, recognizer, jax.ShapeDtypeStruct((160, 160, 3), np.uint8))
    assert len(seen.norms) == 111
    shapes = [(1, side, side, width) for side, width in zip((36, 17, 8, 3), (192, 256, 896, 1792), strict=True)]
    assert [block.shape for block in seen.blocks] == shapes


def test_watching_changes_nothing_and_ends(recognizer):
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)

    def watched(recognizer, image):
        with watch() as seen:
            return recognizer.embed(image), seen.blocks

    embedding, blocks = jax.jit(watched)(recognizer, image)
    np.testing.assert_array_equal(embedding, jax.jit(Recognizer.embed)(recognizer, image))
    with watch() as seen:
        pass
    recognizer.head(blocks[-1])
    assert not seen.norms


def test_what_replaces_a_block_goes_on_in_its_place(recognizer):
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    features = jnp.zeros((1, 7, 7, 1024))
    with watch({4: features}) as seen:
        replaced = jax.jit(Recognizer.features)(recognizer, image)
    np.testing.assert_array_equal(replaced, features[0])
    assert len(seen.blocks) == 4
