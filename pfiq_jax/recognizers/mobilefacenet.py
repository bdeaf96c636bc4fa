"""MobileFaceNet (Chen et al. 2018, table 1, with the widths of insightface's "y1", table 3's faster variant)."""

from dataclasses import dataclass

from flax import nnx
from jaxtyping import Array

from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.embedding_head import EmbeddingHead
from pfiq_jax.recognizers.layers import ConvLayer, DepthwiseConv, conv3x3, pointwise
from pfiq_jax.recognizers.modules import list_key

STEM_WIDTH = 64
# Per stage: the expanded width and the output width of the shrinking bottleneck, then the number and the expanded width
# of the residual bottlenecks after it.
STAGES = ((128, 64, 4, 128), (256, 128, 6, 256), (512, 128, 2, 256))
FEATURES = 512


@dataclass(frozen=True)
class MobileFaceNet(Architecture):
    """MobileFaceNet: (batch, 112, 112, 3) to features (batch, 7, 7, 512) to (batch, 128).

    The global depthwise convolution belongs to the head, so that the features keep their places in the face.
    SER-FIQ's dropout acts on the 512 units that this convolution computes. The network was trained without dropout.
    """

    dim: int = 128
    epsilon: float = 1e-3
    head_epsilon: float = 2e-5

    @property
    def blocks(self) -> tuple[str, ...]:
        ends = (f"trunk.stages.{list_key(stage)}.{list_key(STAGES[stage][2])}" for stage in (0, 1))
        return ("trunk.depthwise", *ends, "trunk.last")

    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        return MobileFaceNetTrunk(epsilon=self.epsilon, rngs=rngs)

    def build_head(self, rngs: nnx.Rngs) -> EmbeddingHead:
        return EmbeddingHead(
            FEATURES, self.dim, epsilon=self.head_epsilon, rngs=rngs, pooling="depthwise", input_epsilon=self.epsilon
        )


class MobileFaceNetTrunk(nnx.Module):
    """Stem, a depthwise layer, three stages of bottlenecks, and a pointwise layer."""

    def __init__(self, *, epsilon: float, rngs: nnx.Rngs):
        stem = conv3x3(3, STEM_WIDTH, stride=2, rngs=rngs)
        self.stem = ConvLayer(stem, STEM_WIDTH, epsilon=epsilon, rngs=rngs)
        self.depthwise = ConvLayer(DepthwiseConv(STEM_WIDTH, rngs=rngs), STEM_WIDTH, epsilon=epsilon, rngs=rngs)
        stages = []
        channels = STEM_WIDTH
        for expanded, width, blocks, expanded_in_blocks in STAGES:
            shrinking = Bottleneck(channels, expanded, width, stride=2, epsilon=epsilon, rngs=rngs)
            residual = (
                Bottleneck(width, expanded_in_blocks, width, stride=1, epsilon=epsilon, rngs=rngs)
                for _ in range(blocks)
            )
            stages.append(nnx.List([shrinking, *residual]))
            channels = width
        self.stages = nnx.List(stages)
        self.last = ConvLayer(pointwise(channels, FEATURES, rngs), FEATURES, epsilon=epsilon, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        x = self.depthwise(self.stem(x))
        for stage in self.stages:
            for block in stage:
                x = block(x)
        return self.last(x)


class Bottleneck(nnx.Module):
    """1x1 expansion, depthwise 3x3, 1x1 projection without activation; at stride 1, its input is added."""

    def __init__(self, channels: int, expanded: int, width: int, *, stride: int, epsilon: float, rngs: nnx.Rngs):
        self.expand = ConvLayer(pointwise(channels, expanded, rngs), expanded, epsilon=epsilon, rngs=rngs)
        depthwise = DepthwiseConv(expanded, stride=stride, rngs=rngs)
        self.depthwise = ConvLayer(depthwise, expanded, epsilon=epsilon, rngs=rngs)
        self.project = ConvLayer(pointwise(expanded, width, rngs), width, epsilon=epsilon, activation=False, rngs=rngs)
        self.residual = stride == 1

    def __call__(self, x: Array) -> Array:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y
