"""SFace under the names of OpenCV Zoo's ``face_recognition_sface_2021dec``."""

import re

import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers import Preprocessing, SFace
from pfiq_jax.recognizers.sface import PAIRS
from weights_convert.mappings.layouts import convolution, dense, depthwise, pointwise, same, slopes
from weights_convert.mappings.mapping import Layout, Mapping, Rule, length
from weights_convert.readers.source import Source

MEAN, SCALE = "scalar_op1", "scalar_op2"  # the graph begins with (pixels - MEAN) * SCALE


def norm(source: str, target: str) -> tuple[Rule, ...]:
    """The four arrays of a BatchNorm."""
    names = {"gamma": "scale", "beta": "bias", "moving_mean": "mean", "moving_var": "var"}
    return tuple(Rule(f"{source}_{theirs}", f"{target}.{ours}", same) for theirs, ours in names.items())


def layer(source: str, index: int, kernel: Layout) -> tuple[Rule, ...]:
    """A convolution, BatchNorm, PReLU."""
    target = f"trunk.layers.{index}"
    return (
        Rule(f"{source}_conv2d_weight", f"{target}.conv.kernel", kernel),
        *norm(f"{source}_batchnorm", f"{target}.norm"),
        Rule(f"{source}_relu_gamma", f"{target}.prelu.slope", slopes),
    )


def pair(index: int) -> tuple[Rule, ...]:
    """A depthwise and a pointwise layer; the source counts the pairs from 2, behind the stem."""
    number = index + 2
    return (
        *layer(f"conv_{number}_dw", 2 * index + 1, depthwise),
        *layer(f"conv_{number}", 2 * index + 2, pointwise),
    )


RULES = (
    *layer("conv_1", 0, convolution),
    *(rule for index in range(len(PAIRS)) for rule in pair(index)),
    *norm("bn1", "head.input_norm"),
    Rule("pre_fc1_weight", "head.kernel", dense),
    Rule("pre_fc1_bias", "head.bias", same),
    *norm("fc1", "head.output_norm"),
)


def build(architecture: str, source: Source, epsilon: float | None) -> SFace:
    """The network, with the BatchNorm epsilons that the graph states for body and head."""
    if epsilon is not None:
        raise PfiqError(f"{source.path}: {architecture} has two BatchNorm epsilons of its own; leave --epsilon out.")
    return SFace(
        dim=length(source, "pre_fc1_bias", SFace.dim),
        epsilon=_epsilon(source, r"conv_.*_batchnorm", SFace.epsilon),
        head_epsilon=_epsilon(source, r"bn1|fc1", SFace.head_epsilon),
    )


def _epsilon(source: Source, norms: str, default: float) -> float:
    stated = {value for name, value in source.attributes.items() if re.fullmatch(rf"({norms})\.epsilon", name)}
    if len(stated) > 1:
        raise PfiqError(
            f"{source.path}: states several epsilons {sorted(stated)} for the BatchNorms {norms}, where SFace has one; "
            "give OpenCV Zoo's own file."
        )
    return next(iter(stated), default)


def preprocessing(source: Source) -> Preprocessing:
    """The subtraction and multiplication that the graph begins with."""
    found = {name: source.arrays.get(name, np.empty(0)) for name in (MEAN, SCALE)}
    missing = [name for name, a in found.items() if a.size != 1 or a.dtype.kind != "f" or not np.isfinite(a).all()]
    if missing:
        raise PfiqError(f"{source.path}: lacks the numbers {', '.join(missing)}; give OpenCV Zoo's own file.")
    return Preprocessing(mean=(found[MEAN].item(),) * 3, scale=(found[SCALE].item(),) * 3)


MAPPING = Mapping(
    architectures=("sface",),
    rules=RULES,
    ignored=(MEAN, SCALE),  # read by `preprocessing`
    identify=lambda _: "sface",
    build=build,
    preprocessing=preprocessing,
    dropout_rate=0.4,
)
