"""SFace with the names of OpenCV Zoo's ``face_recognition_sface_2021dec``."""

from collections.abc import Iterator

from pfiq_jax.recognizers import ARCFACE_MXNET, SFace
from pfiq_jax.recognizers.modules import list_key
from pfiq_jax.recognizers.sface import PAIRS
from weights_convert.mappings.conventions import MXNET
from weights_convert.mappings.layer_kinds import CONV, DENSE, DEPTHWISE, NORM, POINTWISE
from weights_convert.mappings.mapping import Mapping, Part
from weights_convert.mappings.mobilenet_layer import layer


def parts(network: SFace) -> Iterator[Part]:
    """After the stem, the source numbers the pairs of a depthwise and a pointwise layer from 2."""
    yield from layer("conv_1", f"trunk.layers.{list_key(0)}", CONV)
    for pair in range(len(PAIRS)):
        yield from layer(f"conv_{pair + 2}_dw", f"trunk.layers.{list_key(2 * pair + 1)}", DEPTHWISE)
        yield from layer(f"conv_{pair + 2}", f"trunk.layers.{list_key(2 * pair + 2)}", POINTWISE)
    yield Part("bn1", "head.input_norm", NORM)
    yield Part("pre_fc1", "head", DENSE)
    yield Part("fc1", "head.output_norm", NORM)


SFACE = Mapping(
    {"sface": SFace()},
    parts,
    MXNET,
    preprocessing=ARCFACE_MXNET,
    dropout_rate=0.4,
    epsilons={"epsilon": r"trunk\..*", "head_epsilon": r"head\..*"},
)
