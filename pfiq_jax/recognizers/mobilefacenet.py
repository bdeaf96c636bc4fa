"""MobileFaceNet (Chen et al. 2018, table 1, with the widths of insightface's "y1", table 3's faster variant)."""

from dataclasses import dataclass

from flax import nnx

from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.embedding_head import EmbeddingHead
from pfiq_jax.recognizers.layers import DepthwiseConv, PReLU

STEM_WIDTH = 64
# Of each stage: the expanded width and the output width of the bottleneck that shrinks, and the number and expanded
# width of the residual ones behind it.
STAGES = ((128, 64, 4, 128), (256, 128, 6, 256), (512, 128, 2, 256))
FEATURES = 512


@dataclass(frozen=True)
class MobileFaceNet(Architecture):
    """MobileFaceNet: (batch, 112, 112, 3) to features (batch, 7, 7, 512) to (batch, 128).

    The global depthwise convolution belongs to the head, so that the features still show where in the face they are.
    SER-FIQ's dropout acts on the 512 units behind it; the network was trained without.
    """

    dim: int = 128
    epsilon: float = 1e-3
    head_epsilon: float = 2e-5

    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        return MobileFaceNetTrunk(epsilon=self.epsilon, rngs=rngs)

    def build_head(self, rngs: nnx.Rngs) -> EmbeddingHead:
        return EmbeddingHead(
            FEATURES, self.dim, epsilon=self.head_epsilon, rngs=rngs, pooling="depthwise", input_epsilon=self.epsilon
        )
