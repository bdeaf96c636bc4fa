"""How frameworks name the arrays of a layer, in any network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weights_convert.mappings.layer_kinds import Kind, Layout

CLASSIFIERS = (  # classifiers over the training identities: of PartialFC, and of other training code
    r"weight",
    r"(partial_fc|parallel_fc|header|fc)\.(weight|kernel)",
    r"head\.(weight|kernel)",
)


@dataclass(frozen=True)
class Convention:
    """How a framework names the arrays of a layer.

    Attributes:
        names: maps operations to {parameter of the library: template of the array's name with {} for the layer's name}.
        channels_last: whether kernels are (height, width, in, out).
        norm_defaults: values of the parameters of a BatchNorm that files omit.
    """

    names: Mapping[str, Mapping[str, str]]
    channels_last: bool = False
    norm_defaults: Mapping[str, float] = field(default_factory=dict)

    def layouts(self, kind: Kind) -> Mapping[str, Layout]:
        """For each parameter of a kind of layer, the function that converts its array."""
        return kind.channels_last if self.channels_last else kind.channels_first


def convention(weights: dict[str, str], norm: dict[str, str], slope: str, **options: Any) -> Convention:
    """A convention that uses the same names for convolutions and dense layers."""
    return Convention({"conv": weights, "dense": weights, "norm": norm, "prelu": {"slope": slope}}, **options)


TORCH = convention(
    {"kernel": "{}.weight", "bias": "{}.bias"},
    {"scale": "{}.weight", "bias": "{}.bias", "mean": "{}.running_mean", "var": "{}.running_var"},
    "{}.weight",
)
MXNET = convention(
    {"kernel": "{}_weight", "bias": "{}_bias"},
    {"scale": "{}_gamma", "bias": "{}_beta", "mean": "{}_moving_mean", "var": "{}_moving_var"},
    "{}_gamma",
)
MMDNN = convention(
    {"kernel": "{}.weights", "bias": "{}.bias"},
    {"scale": "{}.scale", "bias": "{}.bias", "mean": "{}.mean", "var": "{}.var"},
    "{}.gamma",
    channels_last=True,
    norm_defaults={"scale": 1.0},  # omitted where MXNet fixes it
)
KERAS = convention(
    {"kernel": "{}/kernel", "bias": "{}/bias"},
    {"scale": "{}/gamma", "bias": "{}/beta", "mean": "{}/moving_mean", "var": "{}/moving_variance"},
    "{}/alpha",
    channels_last=True,
    norm_defaults={"scale": 1.0},
)
