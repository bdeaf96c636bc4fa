"""Inception-ResNet-v1 (Szegedy et al. 2017, figures 7 and 10 to 15) with FaceNet's head, as in facenet-pytorch.

The layers have the same names as in facenet-pytorch and in the TensorFlow graph that it follows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from pfiq_jax.bounds import relu
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.batch_norm import BatchNorm
from pfiq_jax.recognizers.embedding_head import EmbeddingHead
from pfiq_jax.recognizers.layers import pointwise
from pfiq_jax.recognizers.modules import list_key


class Conv(NamedTuple):
    """The options of a convolution."""

    width: int
    size: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: str = "SAME"


halve = partial(Conv, size=(3, 3), stride=2, padding="VALID")

# The branches of each block. The mixed blocks also have a max pooling.
Branches = tuple[tuple[Conv, ...], ...]
BLOCK35 = ((Conv(32),), (Conv(32), Conv(32, (3, 3))), (Conv(32), Conv(32, (3, 3)), Conv(32, (3, 3))))
MIXED_6A = ((halve(384),), (Conv(192), Conv(192, (3, 3)), halve(256)))
BLOCK17 = ((Conv(128),), (Conv(128), Conv(128, (1, 7)), Conv(128, (7, 1))))
MIXED_7A = ((Conv(256), halve(384)), (Conv(256), halve(256)), (Conv(256), Conv(256, (3, 3)), halve(256)))
BLOCK8 = ((Conv(192),), (Conv(192), Conv(192, (1, 3)), Conv(192, (3, 1))))
REPEATS = {"repeat_1": 5, "repeat_2": 10, "repeat_3": 5}
FEATURES = 1792


@dataclass(frozen=True)
class InceptionResNetV1(Architecture):
    """FaceNet: (batch, 160, 160, 3) to features (batch, 3, 3, 1792) to (batch, dim).

    The mean over places belongs to the head, so that the features keep their places in the face, as activation maps
    require. SER-FIQ's dropout acts on the 1792 means, as the dropout of the training did (rate 0.6). The network was
    trained on upright boxes of a face detector, with a margin.
    """

    dim: int = 512
    epsilon: float = 1e-3

    @property
    def blocks(self) -> tuple[str, ...]:
        last = {name: list_key(count - 1) for name, count in REPEATS.items()}
        return (
            "trunk.conv2d_4a",
            f"trunk.repeat_1.{last['repeat_1']}",
            f"trunk.repeat_2.{last['repeat_2']}",
            "trunk.block8",
        )

    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        return InceptionResNetV1Trunk(epsilon=self.epsilon, rngs=rngs)

    def build_head(self, rngs: nnx.Rngs) -> EmbeddingHead:
        return EmbeddingHead(
            FEATURES, self.dim, epsilon=self.epsilon, rngs=rngs, pooling="mean", input_norm=False, use_bias=False
        )


class InceptionResNetV1Trunk(nnx.Module):
    """A stem to 17x17 places, and residual blocks at 17x17, 8x8 and 3x3 places."""

    def __init__(self, *, epsilon: float, rngs: nnx.Rngs):
        layer = partial(ConvReLU, epsilon=epsilon, rngs=rngs)
        self.conv2d_1a = layer(3, halve(32))
        self.conv2d_2a = layer(32, Conv(32, (3, 3), padding="VALID"))
        self.conv2d_2b = layer(32, Conv(64, (3, 3)))
        self.conv2d_3b = layer(64, Conv(80))
        self.conv2d_4a = layer(80, Conv(192, (3, 3), padding="VALID"))
        self.conv2d_4b = layer(192, halve(256))
        block = partial(ResidualBlock, epsilon=epsilon, rngs=rngs)
        self.repeat_1 = nnx.List(block(256, BLOCK35, scale=0.17) for _ in range(REPEATS["repeat_1"]))
        self.mixed_6a = Reduction(256, MIXED_6A, epsilon=epsilon, rngs=rngs)
        self.repeat_2 = nnx.List(block(896, BLOCK17, scale=0.1) for _ in range(REPEATS["repeat_2"]))
        self.mixed_7a = Reduction(896, MIXED_7A, epsilon=epsilon, rngs=rngs)
        self.repeat_3 = nnx.List(block(FEATURES, BLOCK8, scale=0.2) for _ in range(REPEATS["repeat_3"]))
        self.block8 = block(FEATURES, BLOCK8, scale=1.0, activation=False)

    def __call__(self, x: Array) -> Array:
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_4a(self.conv2d_3b(max_pool(x)))
        x = apply(self.repeat_1, self.conv2d_4b(x))
        x = apply(self.repeat_2, self.mixed_6a(x))
        return self.block8(apply(self.repeat_3, self.mixed_7a(x)))


class Branched(nnx.Module):
    """Branches with the same input."""

    def __init__(self, channels: int, branches: Branches, *, epsilon: float, rngs: nnx.Rngs):
        self.branches = nnx.List(
            nnx.List(
                ConvReLU(branch[place - 1].width if place else channels, conv, epsilon=epsilon, rngs=rngs)
                for place, conv in enumerate(branch)
            )
            for branch in branches
        )

    def each(self, x: Array) -> list[Array]:
        """The output of each branch."""
        return [apply(branch, x) for branch in self.branches]


class ResidualBlock(Branched):
    """Branches, joined and projected by a 1x1 convolution, added to their input with a factor; optional ReLU."""

    def __init__(
        self,
        channels: int,
        branches: Branches,
        *,
        scale: float,
        epsilon: float,
        rngs: nnx.Rngs,
        activation: bool = True,
    ):
        super().__init__(channels, branches, epsilon=epsilon, rngs=rngs)
        self.projection = nnx.Linear(sum(branch[-1].width for branch in branches), channels, rngs=rngs)
        self.scale = scale
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        x = x + self.scale * self.projection(jnp.concatenate(self.each(x), axis=-1))
        return relu(x) if self.activation else x


class Reduction(Branched):
    """Branches and a max pooling, all of which halve height and width, joined."""

    def __call__(self, x: Array) -> Array:
        return jnp.concatenate([*self.each(x), max_pool(x)], axis=-1)


class ConvReLU(nnx.Module):
    """A convolution without bias, BatchNorm, ReLU."""

    def __init__(self, channels: int, conv: Conv, *, epsilon: float, rngs: nnx.Rngs):
        width, size, stride, padding = conv
        if size == (1, 1):
            self.conv: nnx.Linear | nnx.Conv = pointwise(channels, width, rngs)
        else:
            self.conv = nnx.Conv(channels, width, size, strides=stride, padding=padding, use_bias=False, rngs=rngs)
        self.norm = BatchNorm(width, epsilon, rngs)

    def __call__(self, x: Array) -> Array:
        return relu(self.norm(self.conv(x)))


def apply(layers: Iterable[Callable[[Array], Array]], x: Array) -> Array:
    """Applies one layer after the other."""
    for layer in layers:
        x = layer(x)
    return x


def max_pool(x: Array) -> Array:
    """The maxima of 3x3 windows, two pixels apart."""
    return nnx.max_pool(x, (3, 3), (2, 2))
