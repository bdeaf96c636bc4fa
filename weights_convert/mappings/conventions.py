"""How frameworks name and lay out the parameters of a layer, whatever network it is part of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from einops import rearrange

Layout = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Kind:
    """A kind of layer.

    Attributes:
        operation: "conv", "norm", "prelu" or "dense", as graphs call it.
        channels_first: from the library's leaves to how torch's, MXNet's and ONNX's arrays become them.
        channels_last: the same of Keras's.
    """

    operation: str
    channels_first: Mapping[str, Layout]
    channels_last: Mapping[str, Layout]


def kind(operation: str, channels_first: str, channels_last: str, *, bias: bool = False) -> Kind:
    """A kind with a kernel, whose axes are turned as einops's patterns say, and maybe a bias."""
    sizes = {"h": 7, "w": 7} if "(" in channels_first else {}

    def layouts(pattern: str) -> dict[str, Layout]:
        return {"kernel": partial(rearrange, pattern=pattern, **sizes), **({"bias": same} if bias else {})}

    return Kind(operation, layouts(channels_first), layouts(channels_last))


def same(array: np.ndarray) -> np.ndarray:
    """Vectors: (channels,)."""
    return array


def slopes_first(array: np.ndarray) -> np.ndarray:
    """PReLU: (channels,) or (channels, 1, 1) to (channels,)."""
    return array.reshape(-1)


def slopes_last(array: np.ndarray) -> np.ndarray:
    """PReLU: (channels,), or (height, width, channels) where all places have the same, to (channels,)."""
    places = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array[None]
    return places[0] if len(places) and (places == places[0]).all() else array


CONV = kind("conv", "o i h w -> h w i o", "h w i o -> h w i o")
POINTWISE = kind("conv", "o i 1 1 -> i o", "1 1 i o -> i o")
BIASED_POINTWISE = kind("conv", "o i 1 1 -> i o", "1 1 i o -> i o", bias=True)
DEPTHWISE = kind("conv", "c 1 h w -> h w c", "h w c 1 -> h w c")
DENSE = kind("dense", "d (c h w) -> h w c d", "(h w c) d -> h w c d", bias=True)
POOLED_DENSE = kind("dense", "d c -> 1 1 c d", "c d -> 1 1 c d", bias=True)
UNBIASED_POOLED_DENSE = kind("dense", "d c -> 1 1 c d", "c d -> 1 1 c d")
LINEAR = kind("dense", "o i -> i o", "i o -> i o", bias=True)
NORM = Kind("norm", *[dict.fromkeys(("scale", "bias", "mean", "var"), same)] * 2)
PRELU = Kind("prelu", {"slope": slopes_first}, {"slope": slopes_last})


@dataclass(frozen=True)
class Convention:
    """How one framework names the arrays of a layer.

    Attributes:
        names: from operations to {leaf of the library: template of the array's name, {} for the layer's}.
        channels_last: whether kernels are (height, width, in, out).
        norm_defaults: what a BatchNorm's leaves are where the file leaves them out.
    """

    names: Mapping[str, Mapping[str, str]]
    channels_last: bool = False
    norm_defaults: Mapping[str, float] = field(default_factory=dict)

    def layouts(self, kind: Kind) -> Mapping[str, Layout]:
        """From the leaves of a kind of layer to how its arrays become them."""
        return kind.channels_last if self.channels_last else kind.channels_first


def convention(weights: dict[str, str], norm: dict[str, str], slope: str, **options) -> Convention:
    """A convention that names the arrays of convolutions and dense layers alike."""
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
    norm_defaults={"scale": 1.0},  # left out where MXNet fixed it
)
KERAS = convention(
    {"kernel": "{}/kernel", "bias": "{}/bias"},
    {"scale": "{}/gamma", "bias": "{}/beta", "mean": "{}/moving_mean", "var": "{}/moving_variance"},
    "{}/alpha",
    channels_last=True,
    norm_defaults={"scale": 1.0},
)
