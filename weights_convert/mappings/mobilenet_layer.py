"""The layer that insightface's MXNet MobileNets, SFace's among them, are made of, under the names they give it."""

from collections.abc import Iterator

from weights_convert.mappings.conventions import NORM, PRELU, Kind
from weights_convert.mappings.mapping import Part


def layer(source: str, target: str, kind: Kind, *, activation: bool = True) -> Iterator[Part]:
    """A convolution, BatchNorm, PReLU?"""
    yield Part(f"{source}_conv2d", f"{target}.conv", kind)
    yield Part(f"{source}_batchnorm", f"{target}.norm", NORM)
    if activation:
        yield Part(f"{source}_relu", f"{target}.prelu", PRELU)
