"""IResNet with the names of AdaFace's ``net.py``, of InsightFace_Pytorch (IR-SE-50) and of face.evoLVe.PyTorch (IR)."""

import dataclasses
import functools
from collections.abc import Iterator

from pfiq_jax.recognizers import ARCFACE_TORCH, IResNet
from pfiq_jax.recognizers.iresnet import BLOCKS_PER_STAGE
from pfiq_jax.recognizers.modules import list_key
from weights_convert.mappings.conventions import CLASSIFIERS
from weights_convert.mappings.layer_kinds import CONV, DENSE, NORM, POINTWISE, PRELU
from weights_convert.mappings.mapping import Mapping, Part


def parts(network: IResNet, *, middle_norm: bool = True) -> Iterator[Part]:
    """Layers are numbered by their positions in torch's Sequential; blocks are numbered through all stages."""
    yield Part("input_layer.0", "trunk.stem.conv", CONV)
    yield Part("input_layer.1", "trunk.stem.norm", NORM)
    yield Part("input_layer.2", "trunk.stem.prelu", PRELU)
    number = 0
    later = 3 if middle_norm else 2  # position of the PReLU
    for stage, blocks in enumerate(BLOCKS_PER_STAGE[network.depth]):
        for block in range(blocks):
            source, target = f"body.{number}", f"trunk.stages.{list_key(stage)}.{list_key(block)}"
            yield Part(f"{source}.res_layer.0", f"{target}.norm1", NORM)
            yield Part(f"{source}.res_layer.1", f"{target}.conv1", CONV)
            yield Part(f"{source}.res_layer.2" if middle_norm else (), f"{target}.norm2", NORM)
            yield Part(f"{source}.res_layer.{later}", f"{target}.prelu", PRELU)
            yield Part(f"{source}.res_layer.{later + 1}", f"{target}.conv2", CONV)
            yield Part(f"{source}.res_layer.{later + 2}", f"{target}.norm3", NORM)
            if network.squeeze_excitation:
                excitation = (f"{source}.res_layer.se_block", f"{source}.res_layer.{later + 3}")
                for layer, name in (("fc1", "squeeze"), ("fc2", "excite")):
                    yield Part(tuple(f"{e}.{layer}" for e in excitation), f"{target}.excitation.{name}", POINTWISE)
            if block == 0 and stage > 0:
                yield Part(f"{source}.shortcut_layer.0", f"{target}.shortcut.conv", POINTWISE)
                yield Part(f"{source}.shortcut_layer.1", f"{target}.shortcut.norm", NORM)
            number += 1
    yield Part("output_layer.0", "head.input_norm", NORM)
    yield Part("output_layer.3", "head", DENSE)
    yield Part("output_layer.4", "head.output_norm", NORM, defaults={"scale": 1.0, "bias": 0.0})


ADAFACE = Mapping(
    {
        **{f"adaface_ir{depth}": IResNet(depth, pooled_shortcut=True) for depth in (18, 34, 50)},
        "adaface_ir101": IResNet(100, pooled_shortcut=True),  # the published name counts the dense layer as well
        **{
            f"adaface_ir_se{depth}": IResNet(depth, pooled_shortcut=True, squeeze_excitation=True)
            for depth in (18, 34, 50)
        },
        "adaface_ir_se101": IResNet(100, pooled_shortcut=True, squeeze_excitation=True),
    },
    parts,
    ignored=(r"head\.(t|batch_mean|batch_std)", *CLASSIFIERS),
    preprocessing=dataclasses.replace(ARCFACE_TORCH, channel_order="BGR"),
    dropout_rate=0.4,
)
IR_SE = Mapping(
    {"ir_se50": IResNet(50, pooled_shortcut=True, squeeze_excitation=True)},
    functools.partial(parts, middle_norm=False),
    ignored=CLASSIFIERS,
    dropout_rate=0.6,
)
EVOLVE = Mapping(
    {
        "ir50": IResNet(50, pooled_shortcut=True),
        "ir101": IResNet(100, pooled_shortcut=True),
        "ir_se101": IResNet(100, pooled_shortcut=True, squeeze_excitation=True),
    },
    functools.partial(parts, middle_norm=False),
    ignored=CLASSIFIERS,
    dropout_rate=0.5,
)
