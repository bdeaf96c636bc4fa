"""The improved residual networks of ArcFace (Deng et al. 2019, section 3.1; "LResNet-E-IR"), and their variants.

Sources of the layouts: insightface ``arcface_torch/backbones/iresnet.py`` and the MXNet symbol that it repeats, AdaFace
``net.py``, and CR-FIQA ``backbones/iresnet.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PyTree

from pfiq_jax.bounds import relu
from pfiq_jax.errors import check_choice
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.batch_norm import BatchNorm
from pfiq_jax.recognizers.embedding_head import EmbeddingHead
from pfiq_jax.recognizers.layers import ConvLayer, PReLU, conv3x3, pointwise
from pfiq_jax.recognizers.modules import list_key
from pfiq_jax.recognizers.network import Embedding

BLOCKS_PER_STAGE: Mapping[int, tuple[int, ...]] = MappingProxyType(
    {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 200: (6, 26, 60, 6)}
)
WIDTHS = (64, 128, 256, 512)
REDUCTION = 16  # of the channels inside squeeze-and-excitation


@dataclass(frozen=True)
class IResNet(Architecture):
    """IResNet-18, 34, 50, 100 or 200: (batch, 112, 112, 3) to features (batch, 7, 7, 512) to (batch, dim).

    Attributes:
        depth: 18, 34, 50, 100 or 200.
        dim: length of the embedding.
        epsilon: of every BatchNorm; 1e-5 in PyTorch's networks, 2e-5 in those of MXNet and MagFace.
        pooled_shortcut: the first shortcut, whose width does not change, takes every other pixel without a convolution
            (AdaFace).
        squeeze_excitation: whether each block weights its channels (Hu et al. 2018).
        quality_head: whether a dense layer predicts quality from the embedding (CR-FIQA).
    """

    depth: int = 50
    dim: int = 512
    epsilon: float = 1e-5
    pooled_shortcut: bool = False
    squeeze_excitation: bool = False
    quality_head: bool = False

    def __post_init__(self) -> None:
        check_choice("depth", self.depth, BLOCKS_PER_STAGE)

    @property
    def blocks(self) -> tuple[str, ...]:
        lengths = BLOCKS_PER_STAGE[self.depth]
        return tuple(f"trunk.stages.{list_key(i)}.{list_key(length - 1)}" for i, length in enumerate(lengths))

    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        return IResNetTrunk(self, rngs)

    def build_head(self, rngs: nnx.Rngs) -> EmbeddingHead:
        return EmbeddingHead(WIDTHS[-1], self.dim, epsilon=self.epsilon, rngs=rngs)

    def build_quality_head(self, rngs: nnx.Rngs) -> nnx.Linear | None:
        return nnx.Linear(self.dim, 1, precision="highest", rngs=rngs) if self.quality_head else None

    def learned_quality(self, parameters: PyTree[Array], embedding: Embedding) -> Float[Array, " batch"]:
        """The prediction of the quality head from embeddings that are not normalised."""
        return self.module("quality_head", parameters)(embedding)[:, 0]


class IResNetTrunk(nnx.Module):
    """Stem and four stages, each of which halves height and width."""

    def __init__(self, network: IResNet, rngs: nnx.Rngs):
        self.stem = ConvLayer(conv3x3(3, WIDTHS[0], rngs=rngs), WIDTHS[0], epsilon=network.epsilon, rngs=rngs)
        inputs = WIDTHS[:1] + WIDTHS[:-1]
        self.stages = nnx.List(
            nnx.List(
                Block(network, channels if block == 0 else width, width, shrink=block == 0, rngs=rngs)
                for block in range(blocks)
            )
            for blocks, channels, width in zip(BLOCKS_PER_STAGE[network.depth], inputs, WIDTHS, strict=True)
        )

    def __call__(self, x: Array) -> Array:
        x = self.stem(x)
        for stage in self.stages:
            for block in stage:
                x = block(x)
        return x


class Block(nnx.Module):
    """BatchNorm, 3x3, BatchNorm, PReLU, 3x3 (stride), BatchNorm, optional squeeze-and-excitation; plus the shortcut."""

    def __init__(self, network: IResNet, channels: int, width: int, *, shrink: bool, rngs: nnx.Rngs):
        epsilon = network.epsilon
        self.norm1 = BatchNorm(channels, epsilon, rngs)
        self.conv1 = conv3x3(channels, width, rngs=rngs)
        self.norm2 = BatchNorm(width, epsilon, rngs)
        self.prelu = PReLU(width, rngs=rngs)
        self.conv2 = conv3x3(width, width, stride=2 if shrink else 1, rngs=rngs)
        self.norm3 = BatchNorm(width, epsilon, rngs)
        self.excitation = SqueezeExcitation(width, rngs=rngs) if network.squeeze_excitation else None
        self.shrink = shrink
        projects = shrink and not (network.pooled_shortcut and channels == width)
        self.shortcut = Shortcut(channels, width, epsilon=epsilon, rngs=rngs) if projects else None

    def __call__(self, x: Array) -> Array:
        y = self.prelu(self.norm2(self.conv1(self.norm1(x))))
        y = self.norm3(self.conv2(y))
        if self.excitation is not None:
            y = self.excitation(y)
        if self.shrink:
            x = x[:, ::2, ::2]
        return y + (x if self.shortcut is None else self.shortcut(x))


class SqueezeExcitation(nnx.Module):
    """Channels weighted by a function of their means (Hu et al. 2018, eq. 2 to 4)."""

    def __init__(self, channels: int, *, rngs: nnx.Rngs):
        self.squeeze = nnx.Linear(channels, channels // REDUCTION, use_bias=False, rngs=rngs)
        self.excite = nnx.Linear(channels // REDUCTION, channels, use_bias=False, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        means = jnp.mean(x, (1, 2), keepdims=True)
        return x * jax.nn.sigmoid(self.excite(relu(self.squeeze(means))))


class Shortcut(nnx.Module):
    """1x1 convolution and BatchNorm, of every other pixel."""

    def __init__(self, channels: int, width: int, *, epsilon: float, rngs: nnx.Rngs):
        self.conv = pointwise(channels, width, rngs)
        self.norm = BatchNorm(width, epsilon, rngs)

    def __call__(self, x: Array) -> Array:
        return self.norm(self.conv(x))
