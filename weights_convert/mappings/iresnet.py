"""IResNet as insightface's torch code and those who built on it name it, and as its MXNet symbols do."""

from collections.abc import Iterator
from types import MappingProxyType

from pfiq_jax.recognizers import ARCFACE_MXNET, IResNet, Preprocessing
from pfiq_jax.recognizers.iresnet import BLOCKS_PER_STAGE
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE
from weights_convert.mappings.conventions import CONV, DENSE, KERAS, LINEAR, MMDNN, MXNET, NORM, POINTWISE, PRELU
from weights_convert.mappings.mapping import Mapping, Part

MXNET_EPSILON = 2e-5
CLASSIFIERS = (  # over the training identities: of PartialFC, and of the headers that others train with
    r"weight",
    r"(partial_fc|parallel_fc|header|fc)\.(weight|kernel)",
    r"head\.(weight|kernel)",
)


def torch_parts(network: IResNet) -> Iterator[Part]:
    """Names of ``arcface_torch/backbones/iresnet.py``."""
    yield Part("conv1", "trunk.stem.conv", CONV)
    yield Part("bn1", "trunk.stem.norm", NORM)
    yield Part("prelu", "trunk.stem.prelu", PRELU)
    for stage, blocks in enumerate(BLOCKS_PER_STAGE[network.depth]):
        for block in range(blocks):
            source, target = f"layer{stage + 1}.{block}", f"trunk.stages.{stage}.{block}"
            yield Part(f"{source}.bn1", f"{target}.norm1", NORM)
            yield Part(f"{source}.conv1", f"{target}.conv1", CONV)
            yield Part(f"{source}.bn2", f"{target}.norm2", NORM)
            yield Part(f"{source}.prelu", f"{target}.prelu", PRELU)
            yield Part(f"{source}.conv2", f"{target}.conv2", CONV)
            yield Part(f"{source}.bn3", f"{target}.norm3", NORM)
            if block == 0:
                yield Part(f"{source}.downsample.0", f"{target}.shortcut.conv", POINTWISE)
                yield Part(f"{source}.downsample.1", f"{target}.shortcut.norm", NORM)
    yield Part("bn2", "head.input_norm", NORM)
    yield Part("fc", "head", DENSE)
    yield Part("features", "head.output_norm", NORM)
    if network.quality_head:
        yield Part("qs", "quality_head", LINEAR)


def mxnet_parts(network: IResNet) -> Iterator[Part]:
    """Names of insightface's LResNet-E-IR symbols, which MMdnn's Keras networks keep."""
    yield Part("conv0", "trunk.stem.conv", CONV)
    yield Part("bn0", "trunk.stem.norm", NORM)
    yield Part("relu0", "trunk.stem.prelu", PRELU)
    for stage, blocks in enumerate(BLOCKS_PER_STAGE[network.depth]):
        for block in range(blocks):
            source, target = f"stage{stage + 1}_unit{block + 1}", f"trunk.stages.{stage}.{block}"
            yield Part(f"{source}_bn1", f"{target}.norm1", NORM)
            yield Part(f"{source}_conv1", f"{target}.conv1", CONV)
            yield Part(f"{source}_bn2", f"{target}.norm2", NORM)
            yield Part(f"{source}_relu1", f"{target}.prelu", PRELU)
            yield Part(f"{source}_conv2", f"{target}.conv2", CONV)
            yield Part(f"{source}_bn3", f"{target}.norm3", NORM)
            if block == 0:
                yield Part(f"{source}_conv1sc", f"{target}.shortcut.conv", POINTWISE)
                yield Part(f"{source}_sc", f"{target}.shortcut.norm", NORM)
    yield Part("bn1", "head.input_norm", NORM)
    yield Part(("pre_fc1", "fc1"), "head", DENSE)
    yield Part("fc1", "head.output_norm", NORM)


def networks(name: str, **options) -> MappingProxyType[str, IResNet]:
    """The networks of every depth, under names as ``{name}100``."""
    return MappingProxyType({f"{name}{depth}": IResNet(depth, **options) for depth in BLOCKS_PER_STAGE})


ARCFACE = Mapping(networks("iresnet"), torch_parts, ignored=CLASSIFIERS)
MAGFACE = Mapping(  # the quality is the embedding's length
    networks("magface_iresnet", epsilon=MXNET_EPSILON),
    torch_parts,
    ignored=CLASSIFIERS,
    prefix="features.",
    preprocessing=Preprocessing(scale=(1 / 255,) * 3, channel_order="BGR", template=ARCFACE_TEMPLATE),
    dropout_rate=0.4,
    dropout_granularity="channel",
)
CR_FIQA = Mapping(networks("cr_fiqa_iresnet", quality_head=True), torch_parts, ignored=CLASSIFIERS, dropout_rate=0.4)
ARCFACE_2018, ARCFACE_MMDNN, ARCFACE_KERAS = (
    Mapping(
        networks("iresnet", epsilon=MXNET_EPSILON),
        mxnet_parts,
        convention,
        preprocessing=ARCFACE_MXNET,
        dropout_rate=0.4,
    )
    for convention in (MXNET, MMDNN, KERAS)
)
