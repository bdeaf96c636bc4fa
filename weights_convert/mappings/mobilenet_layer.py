"""The layer of insightface's MXNet MobileNets, which include SFace, with its names there."""

from collections.abc import Iterator

from weights_convert.mappings.layer_kinds import NORM, PRELU, Kind
from weights_convert.mappings.mapping import Part


def layer(source: str, target: str, kind: Kind, *, activation: bool = True) -> Iterator[Part]:
    """A convolution, a BatchNorm and, with ``activation``, a PReLU."""
    yield Part(f"{source}_conv2d", f"{target}.conv", kind)
    yield Part(f"{source}_batchnorm", f"{target}.norm", NORM)
    if activation:
        yield Part(f"{source}_relu", f"{target}.prelu", PRELU)
