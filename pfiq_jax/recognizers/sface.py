"""SFace (Zhong et al. 2021), the MobileNet of OpenCV Zoo's ``face_recognition_sface_2021dec``."""

from dataclasses import dataclass

from flax import nnx
from jaxtyping import Array

from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.embedding_head import EmbeddingHead
from pfiq_jax.recognizers.layers import ConvLayer, DepthwiseConv, conv3x3, pointwise
from pfiq_jax.recognizers.modules import list_key

STEM_WIDTH = 32
# Width and stride of the thirteen depthwise and pointwise pairs (MobileNet v1, table 1, without its stem's stride).
PAIRS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
# Indices, among the stem and the layers of the pairs, of the last layers at 56x56, 28x28, 14x14 and 7x7 places.
LAST_LAYERS = (6, 10, 22, 26)


@dataclass(frozen=True)
class SFace(Architecture):
    """SFace's MobileNet: (batch, 112, 112, 3) to features (batch, 7, 7, 1024) to (batch, 128)."""

    dim: int = 128
    epsilon: float = 1e-3
    head_epsilon: float = 2e-5

    @property
    def blocks(self) -> tuple[str, ...]:
        return tuple(f"trunk.layers.{list_key(index)}" for index in LAST_LAYERS)

    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        return SFaceTrunk(epsilon=self.epsilon, rngs=rngs)

    def build_head(self, rngs: nnx.Rngs) -> EmbeddingHead:
        return EmbeddingHead(PAIRS[-1][0], self.dim, epsilon=self.head_epsilon, rngs=rngs)


class SFaceTrunk(nnx.Module):
    """A 3x3 stem, then pairs of a depthwise 3x3 and a pointwise 1x1 layer, each with BatchNorm and PReLU."""

    def __init__(self, *, epsilon: float, rngs: nnx.Rngs):
        stem = conv3x3(3, STEM_WIDTH, rngs=rngs)
        layers = [ConvLayer(stem, STEM_WIDTH, epsilon=epsilon, rngs=rngs)]
        channels = STEM_WIDTH
        for width, stride in PAIRS:
            depthwise = DepthwiseConv(channels, stride=stride, rngs=rngs)
            layers.append(ConvLayer(depthwise, channels, epsilon=epsilon, rngs=rngs))
            layers.append(ConvLayer(pointwise(channels, width, rngs), width, epsilon=epsilon, rngs=rngs))
            channels = width
        self.layers = nnx.List(layers)

    def __call__(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer(x)
        return x
