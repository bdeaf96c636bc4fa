"""MobileFaceNet with the names of insightface's MXNet symbol "y1"."""

from collections.abc import Iterator

from pfiq_jax.recognizers import ARCFACE_MXNET, MobileFaceNet
from pfiq_jax.recognizers.mobilefacenet import STAGES
from pfiq_jax.recognizers.modules import list_key
from weights_convert.mappings.conventions import MXNET
from weights_convert.mappings.layer_kinds import CONV, DEPTHWISE, NORM, POINTWISE, POOLED_DENSE
from weights_convert.mappings.mapping import Mapping, Part
from weights_convert.mappings.mobilenet_layer import layer


def bottleneck(source: str, target: str) -> Iterator[Part]:
    """1x1, depthwise 3x3 and 1x1 convolution."""
    yield from layer(f"{source}_conv_sep", f"{target}.expand", POINTWISE)
    yield from layer(f"{source}_conv_dw", f"{target}.depthwise", DEPTHWISE)
    yield from layer(f"{source}_conv_proj", f"{target}.project", POINTWISE, activation=False)


def parts(network: MobileFaceNet) -> Iterator[Part]:
    """The source numbers the stages from 3, and names the bottleneck between two stages after both."""
    yield from layer("conv_1", "trunk.stem", CONV)
    yield from layer("conv_2_dw", "trunk.depthwise", DEPTHWISE)
    for stage, (_, _, blocks, _) in enumerate(STAGES):
        yield from bottleneck(f"dconv_{stage + 2}{stage + 3}", f"trunk.stages.{list_key(stage)}.{list_key(0)}")
        for block in range(blocks):
            yield from bottleneck(
                f"res_{stage + 3}_block{block}", f"trunk.stages.{list_key(stage)}.{list_key(block + 1)}"
            )
    yield from layer("conv_6sep", "trunk.last", POINTWISE)
    yield Part("conv_6dw7_7_conv2d", "head.pool", DEPTHWISE)
    yield Part("conv_6dw7_7_batchnorm", "head.input_norm", NORM)
    yield Part(("pre_fc1", "fc1"), "head", POOLED_DENSE)
    yield Part("fc1", "head.output_norm", NORM)


MOBILEFACENET = Mapping(
    {"mobilefacenet": MobileFaceNet()},
    parts,
    MXNET,
    preprocessing=ARCFACE_MXNET,
    epsilons={"epsilon": r"trunk\..*|head\.input_norm", "head_epsilon": r"head\.output_norm"},
)
