"""YuNet with the names of OpenCV Zoo's ``face_detection_yunet_2023mar``, whose BatchNorms are folded."""

from collections.abc import Iterator

from pfiq_jax.detection import YuNet
from pfiq_jax.detection.yunet import OUTPUTS, STAGES, STRIDES
from pfiq_jax.recognizers import Preprocessing
from pfiq_jax.recognizers.modules import list_key
from weights_convert.mappings.layer_kinds import BIASED_CONV, BIASED_DEPTHWISE, BIASED_POINTWISE
from weights_convert.mappings.mapping import Mapping, Part


def unit(source: str, target: str) -> Iterator[Part]:
    """1x1 and depthwise 3x3 convolution."""
    yield Part(f"{source}.conv1", f"{target}.pointwise", BIASED_POINTWISE)
    yield Part(f"{source}.conv2", f"{target}.depthwise", BIASED_DEPTHWISE)


def parts(network: YuNet) -> Iterator[Part]:
    """The layers in the order of their dependence on each other, the last output first.

    The published file numbers the convolutions into which a BatchNorm is folded, so that only their order is known.
    """
    yield Part("backbone.model0.conv1", "trunk.stem", BIASED_CONV)
    yield from unit("backbone.model0.conv2", "trunk.first")
    for stage, units in enumerate(STAGES):
        for index in range(len(units)):
            name = f"trunk.stages.{list_key(stage)}.{list_key(index)}"
            yield from unit(f"backbone.model{stage + 1}.conv{index + 1}", name)
    levels = range(len(STRIDES))
    last, *others = ("kps", "obj", "bbox", "cls")  # in the reverse of the order in which the file has them
    assert {last, *others} == OUTPUTS.keys()
    for level in reversed(levels):
        yield from unit(f"neck.lateral_convs.{level}", f"neck.units.{list_key(level)}")
        yield from unit(f"bbox_head.multi_level_{last}.{level}", f"heads.{last}.{list_key(level)}")
    for output in others:
        for level in reversed(levels):
            yield from unit(f"bbox_head.multi_level_{output}.{level}", f"heads.{output}.{list_key(level)}")


YUNET = Mapping(
    {"yunet": YuNet()},
    parts,
    preprocessing=Preprocessing(size=(640, 640), channel_order="BGR"),
    epsilons={},
)
