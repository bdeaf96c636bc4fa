"""IResNet under the names of insightface's ``arcface_torch``, which CR-FIQA, GraFIQs and many others keep."""

import re
from collections.abc import Collection

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers import ARCFACE_TORCH, IResNet
from pfiq_jax.recognizers.iresnet import BLOCKS_PER_STAGE
from weights_convert.mappings.layouts import convolution, dense, pointwise, same, slopes
from weights_convert.mappings.mapping import Mapping, Rule, length
from weights_convert.readers.source import Source

TORCH_EPSILON = 1e-5
DEPTHS = {f"iresnet{depth}": depth for depth in BLOCKS_PER_STAGE}


def norm(source: str, target: str) -> tuple[Rule, ...]:
    """The four arrays of a BatchNorm."""
    names = {"weight": "scale", "bias": "bias", "running_mean": "mean", "running_var": "var"}
    return tuple(Rule(rf"{source}\.{theirs}", f"{target}.{ours}", same) for theirs, ours in names.items())


def stage(number: int) -> tuple[Rule, ...]:
    """All blocks of a stage, counted from 1 in the source and from 0 in the library."""
    source, target = rf"layer{number}\.(\d+)", rf"trunk.stages.{number - 1}.\1"
    return (
        *norm(rf"{source}\.bn1", f"{target}.norm1"),
        Rule(rf"{source}\.conv1\.weight", f"{target}.conv1.kernel", convolution),
        *norm(rf"{source}\.bn2", f"{target}.norm2"),
        Rule(rf"{source}\.prelu\.weight", f"{target}.prelu.slope", slopes),
        Rule(rf"{source}\.conv2\.weight", f"{target}.conv2.kernel", convolution),
        *norm(rf"{source}\.bn3", f"{target}.norm3"),
        Rule(rf"{source}\.downsample\.0\.weight", f"{target}.shortcut.conv.kernel", pointwise),
        *norm(rf"{source}\.downsample\.1", f"{target}.shortcut.norm"),
    )


RULES = (
    Rule(r"conv1\.weight", "trunk.stem.conv.kernel", convolution),
    *norm("bn1", "trunk.stem.norm"),
    Rule(r"prelu\.weight", "trunk.stem.prelu.slope", slopes),
    *(rule for number in (1, 2, 3, 4) for rule in stage(number)),
    *norm("bn2", "head.input_norm"),
    Rule(r"fc\.weight", "head.kernel", dense),
    Rule(r"fc\.bias", "head.bias", same),
    *norm("features", "head.output_norm"),
)
IGNORED = (
    r".*\.num_batches_tracked",  # a counter of training steps
    # the classifier over the training identities: of PartialFC, and of the headers that others train with
    r"weight",
    r"partial_fc\.weight",
    r"head\.(weight|kernel)",
)


def identify(names: Collection[str]) -> str:
    """The depth whose numbers of blocks are nearest to those in the file."""
    found = [len({m[1] for name in names if (m := re.match(rf"layer{n}\.(\d+)\.", name))}) for n in (1, 2, 3, 4)]

    def distance(architecture: str) -> int:
        blocks = BLOCKS_PER_STAGE[DEPTHS[architecture]]
        return sum(abs(there - wanted) for there, wanted in zip(found, blocks, strict=True))

    return min(DEPTHS, key=distance)


def build(architecture: str, source: Source, epsilon: float | None) -> IResNet:
    """The network; the length of the embedding is that of ``fc.bias``."""
    stated = {value for name, value in source.attributes.items() if name.endswith(".epsilon")}
    if epsilon is None and len(stated) > 1:
        raise PfiqError(f"{source.path}: states several BatchNorm epsilons {sorted(stated)}; overrule with --epsilon.")
    return IResNet(
        depth=DEPTHS[architecture],
        dim=length(source, "fc.bias", IResNet.dim),
        epsilon=epsilon if epsilon is not None else next(iter(stated), TORCH_EPSILON),
    )


MAPPING = Mapping(
    architectures=tuple(DEPTHS),
    rules=RULES,
    ignored=IGNORED,
    identify=identify,
    build=build,
    preprocessing=lambda _: ARCFACE_TORCH,
    dropout_rate=0.0,  # arcface_torch trains without
)
