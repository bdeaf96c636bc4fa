"""The improved residual networks of ArcFace (Deng et al. 2019, section 3.1; "LResNet-E-IR").

Source of the layout: insightface ``arcface_torch/backbones/iresnet.py`` and the MXNet symbol it repeats.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flax import nnx

from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.embedding_head import EmbeddingHead
from pfiq_jax.recognizers.layers import PReLU

BLOCKS_PER_STAGE: Mapping[int, tuple[int, ...]] = MappingProxyType(
    {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 200: (6, 26, 60, 6)}
)
WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True)
class IResNet(Architecture):
    """IResNet-18, 34, 50, 100 or 200: (batch, 112, 112, 3) to features (batch, 7, 7, 512) to (batch, dim).

    Attributes:
        depth: 18, 34, 50, 100 or 200.
        dim: length of the embedding.
        epsilon: of every BatchNorm: 1e-5 in torch's networks, 2e-5 in MXNet's and MagFace's.
    """

    depth: int = 50
    dim: int = 512
    epsilon: float = 1e-5

    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        return IResNetTrunk(BLOCKS_PER_STAGE[self.depth], epsilon=self.epsilon, rngs=rngs)

    def build_head(self, rngs: nnx.Rngs) -> EmbeddingHead:
        return EmbeddingHead(WIDTHS[-1], self.dim, epsilon=self.epsilon, rngs=rngs)


class IResNetTrunk(nnx.Module):
    """Stem and four stages, each of which halves height and width."""

    def __init__(self, blocks_per_stage: tuple[int, ...], *, epsilon: float, rngs: nnx.Rngs):
        self.stem = Stem(WIDTHS[0], epsilon=epsilon, rngs=rngs)
        inputs = WIDTHS[:1] + WIDTHS[:-1]
        self.stages = nnx.List(
            nnx.List(
                Block(channels if block == 0 else width, width, shrink=block == 0, epsilon=epsilon, rngs=rngs)
                for block in range(blocks)
            )
            for blocks, channels, width in zip(blocks_per_stage, inputs, WIDTHS, strict=True)
        )

    def __call__(self, x):
        x = self.stem(x)
        for stage in self.stages:
            for block in stage:
                x = block(x)
        return x


class Stem(nnx.Module):
    """3x3 convolution, BatchNorm, PReLU."""

    def __init__(self, width: int, *, epsilon: float, rngs: nnx.Rngs):
        self.conv = conv3x3(3, width, rngs=rngs)
        self.norm = norm(width, epsilon, rngs)
        self.prelu = PReLU(width, rngs=rngs)

    def __call__(self, x):
        return self.prelu(self.norm(self.conv(x)))


class Block(nnx.Module):
    """BatchNorm, 3x3, BatchNorm, PReLU, 3x3 (stride), BatchNorm, plus the shortcut."""

    def __init__(self, channels: int, width: int, *, shrink: bool, epsilon: float, rngs: nnx.Rngs):
        self.norm1 = norm(channels, epsilon, rngs)
        self.conv1 = conv3x3(channels, width, rngs=rngs)
        self.norm2 = norm(width, epsilon, rngs)
        self.prelu = PReLU(width, rngs=rngs)
        self.conv2 = conv3x3(width, width, stride=2 if shrink else 1, rngs=rngs)
        self.norm3 = norm(width, epsilon, rngs)
        self.shortcut = Shortcut(channels, width, epsilon=epsilon, rngs=rngs) if shrink else None

    def __call__(self, x):
        y = self.prelu(self.norm2(self.conv1(self.norm1(x))))
        y = self.norm3(self.conv2(y))
        return y + (x if self.shortcut is None else self.shortcut(x))


class Shortcut(nnx.Module):
    """1x1 convolution of stride 2 and BatchNorm; a matrix product of every other pixel runs faster."""

    def __init__(self, channels: int, width: int, *, epsilon: float, rngs: nnx.Rngs):
        self.conv = nnx.Linear(channels, width, use_bias=False, rngs=rngs)
        self.norm = norm(width, epsilon, rngs)

    def __call__(self, x):
        return self.norm(self.conv(x[:, ::2, ::2]))


def conv3x3(channels: int, width: int, *, stride: int = 1, rngs: nnx.Rngs) -> nnx.Conv:
    """3x3 convolution without bias; padded by hand, since at stride 2 "SAME" would pad the far side only."""
    return nnx.Conv(channels, width, (3, 3), strides=stride, padding=((1, 1), (1, 1)), use_bias=False, rngs=rngs)


def norm(width: int, epsilon: float, rngs: nnx.Rngs) -> nnx.BatchNorm:
    """BatchNorm by its running statistics."""
    return nnx.BatchNorm(width, use_running_average=True, epsilon=epsilon, rngs=rngs)
