"""IResNet with the names of insightface's torch code, of projects based on it, and of insightface's MXNet symbols."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from pfiq_jax.recognizers import ARCFACE_MXNET, IResNet, Preprocessing
from pfiq_jax.recognizers.iresnet import BLOCKS_PER_STAGE
from pfiq_jax.recognizers.modules import list_key
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE
from weights_convert.mappings.conventions import CLASSIFIERS, KERAS, MMDNN, MXNET
from weights_convert.mappings.layer_kinds import CONV, DENSE, LINEAR, NORM, POINTWISE, PRELU
from weights_convert.mappings.mapping import Mapping, Part

MXNET_EPSILON = 2e-5


@dataclass(frozen=True)
class Names:
    """The names of the layers in a framework.

    Attributes:
        stem: convolution, BatchNorm, PReLU.
        block: template of the prefix of a block's names, from the number of the stage and the number of the block.
        first_block: the number of a stage's first block.
        layers: layers of a block: BatchNorm, convolution, BatchNorm, PReLU, convolution, BatchNorm.
        shortcut: convolution, BatchNorm.
        head: BatchNorm, dense layer, BatchNorm.
    """

    stem: tuple[str, str, str]
    block: str
    first_block: int
    layers: tuple[str, ...]
    shortcut: tuple[str, str]
    head: tuple[str, str | tuple[str, ...], str]


ARCFACE_TORCH_NAMES = Names(  # arcface_torch/backbones/iresnet.py
    stem=("conv1", "bn1", "prelu"),
    block="layer{}.{}.",
    first_block=0,
    layers=("bn1", "conv1", "bn2", "prelu", "conv2", "bn3"),
    shortcut=("downsample.0", "downsample.1"),
    head=("bn2", "fc", "features"),
)
MXNET_NAMES = Names(  # insightface's LResNet-E-IR symbols
    stem=("conv0", "bn0", "relu0"),
    block="stage{}_unit{}_",
    first_block=1,
    layers=("bn1", "conv1", "bn2", "relu1", "conv2", "bn3"),
    shortcut=("conv1sc", "sc"),
    head=("bn1", ("pre_fc1", "fc1"), "fc1"),
)
KERAS_NAMES = replace(MXNET_NAMES, head=("bn1", "pre_fc1", "fc1"))  # in MMdnn's files fc1 is one layer only
BLOCK = (("norm1", NORM), ("conv1", CONV), ("norm2", NORM), ("prelu", PRELU), ("conv2", CONV), ("norm3", NORM))


def parts(network: IResNet, names: Names) -> Iterator[Part]:
    """All layers; the shortcut of a block comes after its other branch."""
    for source, (target, kind) in zip(names.stem, (("conv", CONV), ("norm", NORM), ("prelu", PRELU)), strict=True):
        yield Part(source, f"trunk.stem.{target}", kind)
    for stage, blocks in enumerate(BLOCKS_PER_STAGE[network.depth]):
        for block in range(blocks):
            prefix = names.block.format(stage + 1, block + names.first_block)
            place = f"trunk.stages.{list_key(stage)}.{list_key(block)}"
            for source, (target, kind) in zip(names.layers, BLOCK, strict=True):
                yield Part(prefix + source, f"{place}.{target}", kind)
            if block == 0:
                convolution, norm = names.shortcut
                yield Part(prefix + convolution, f"{place}.shortcut.conv", POINTWISE)
                yield Part(prefix + norm, f"{place}.shortcut.norm", NORM)
    input_norm, dense, output_norm = names.head
    yield Part(input_norm, "head.input_norm", NORM)
    yield Part(dense, "head", DENSE)
    yield Part(output_norm, "head.output_norm", NORM)
    if network.quality_head:
        yield Part("qs", "quality_head", LINEAR)


def networks(name: str, **options: Any) -> MappingProxyType[str, IResNet]:
    """The networks of every depth, under names such as ``{name}100``."""
    return MappingProxyType({f"{name}{depth}": IResNet(depth, **options) for depth in BLOCKS_PER_STAGE})


torch_parts = partial(parts, names=ARCFACE_TORCH_NAMES)
mxnet_parts = partial(parts, names=MXNET_NAMES)
keras_parts = partial(parts, names=KERAS_NAMES)

ARCFACE = Mapping(networks("iresnet"), torch_parts, ignored=CLASSIFIERS)
MAGFACE = Mapping(  # MagFace's quality is the embedding's length
    networks("magface_iresnet", epsilon=MXNET_EPSILON),
    torch_parts,
    ignored=CLASSIFIERS,
    prefix="features.",
    preprocessing=Preprocessing(scale=(1 / 255,) * 3, channel_order="BGR", template=ARCFACE_TEMPLATE),
    dropout_rate=0.4,
    dropout_granularity="channel",
)
CR_FIQA = Mapping(networks("cr_fiqa_iresnet", quality_head=True), torch_parts, ignored=CLASSIFIERS, dropout_rate=0.4)
LRESNET, LRESNET_MMDNN, LRESNET_KERAS = (
    Mapping(
        networks("iresnet", epsilon=MXNET_EPSILON),
        table,
        convention,
        preprocessing=ARCFACE_MXNET,
        dropout_rate=0.4,
    )
    for table, convention in ((mxnet_parts, MXNET), (keras_parts, MMDNN), (keras_parts, KERAS))
)
