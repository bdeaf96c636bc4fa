"""YuNet (Wu, Peng and Yu 2023), the face detector of OpenCV Zoo's ``face_detection_yunet_2023mar``."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PyTree

from pfiq_jax.bounds import relu
from pfiq_jax.recognizers.layers import DepthwiseConv
from pfiq_jax.recognizers.modules import Modules

STEM_WIDTH = 16
# Input and output width of the units of each stage. All stages but the second begin with a max pooling.
STAGES = (((16, 16), (16, 32)), ((32, 32), (32, 64)), *(((64, 64), (64, 64)),) * 3)
UNPOOLED = 1
STRIDES = (8, 16, 32)
"""Pixels from one place to the next, on the three levels of the output."""
MULTIPLE = STRIDES[-1]
"""Height and width of the input are multiples of this."""
WIDTH = 64  # channels of the features
OUTPUTS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}  # numbers per place


class RawOutputs(NamedTuple):
    """The network's outputs at each place: row by row on a grid of stride 8, then of stride 16, then of 32.

    Attributes:
        cls: probability that the place shows a face.
        obj: the predicted overlap of the box with the true box, 0..1.
        bbox: centre (x, y), relative to the place, in strides; logarithms of width and height in strides.
        kps: (x, y) of five landmarks, relative to the place, in strides.
    """

    cls: Float[Array, "batch places"]
    obj: Float[Array, "batch places"]
    bbox: Float[Array, "batch places 4"]
    kps: Float[Array, "batch places 10"]


@dataclass(frozen=True)
class YuNet(Modules):
    """YuNet: (batch, height, width, 3) RGB in 0..255 to ``RawOutputs``; height and width are multiples of 32.

    Products are computed at full float32 precision on every platform, so that all of them find the same faces.
    """

    parts = ("trunk", "neck", "heads")

    def build(self, part: str, rngs: nnx.Rngs) -> nnx.Module:
        return {"trunk": Trunk, "neck": Neck, "heads": Heads}[part](rngs=rngs)

    def outputs(
        self,
        parameters: PyTree[Array],
        images: Float[Array, "batch height width 3"],
        sizes: Int[Array, "batch 2"] | None = None,
    ) -> RawOutputs:
        """The outputs of the network, before decoding and suppression.

        Args:
            parameters: parameters of the network.
            images: RGB, 0..255.
            sizes: height and width of the part of each image that holds the photograph, multiples of 32; the rest must
                be 0. Outputs at places in this part equal those of this part alone. All other places get the
                probability 0. By default the whole image.
        """
        share = None if sizes is None else sizes.astype(jnp.float32) / jnp.asarray(images.shape[1:3], jnp.float32)[None]
        with jax.default_matmul_precision("highest"):
            levels = self.module("trunk", parameters)(images[..., ::-1], share)
            found = self.module("heads", parameters)(self.module("neck", parameters)(levels, share), share)
        found["cls"], found["obj"] = ([jax.nn.sigmoid(level) for level in found[name]] for name in ("cls", "obj"))
        found["cls"] = [inside(level, share) for level in found["cls"]]
        cls, obj, bbox, kps = (
            jnp.concatenate([jax.lax.collapse(level, 1, 3) for level in found[name]], 1) for name in OUTPUTS
        )
        return RawOutputs(cls[..., 0], obj[..., 0], bbox, kps)


Share = Float[Array, "batch 2"] | None
"""The part of a layer's height and width that holds the photograph; None for all of it."""


class Unit(nnx.Module):
    """1x1 convolution, depthwise 3x3 convolution and, with ``activation``, a ReLU."""

    def __init__(self, channels: int, width: int, *, activation: bool = True, rngs: nnx.Rngs):
        self.pointwise = nnx.Linear(channels, width, rngs=rngs)
        self.depthwise = DepthwiseConv(width, use_bias=True, rngs=rngs)
        self.activation = activation

    def __call__(
        self, x: Float[Array, "batch height width channels"], share: Share
    ) -> Float[Array, "batch height width new"]:
        x = self.depthwise(inside(self.pointwise(x), share))
        return relu(x) if self.activation else x


class Trunk(nnx.Module):
    """BGR pixels to features of stride 8, 16 and 32."""

    def __init__(self, *, rngs: nnx.Rngs):
        padding = ((1, 1), (1, 1))
        self.stem = nnx.Conv(3, STEM_WIDTH, (3, 3), strides=2, padding=padding, rngs=rngs)
        self.first = Unit(STEM_WIDTH, STEM_WIDTH, rngs=rngs)
        self.stages = nnx.List([nnx.List([Unit(*widths, rngs=rngs) for widths in stage]) for stage in STAGES])

    def __call__(
        self, x: Float[Array, "batch height width 3"], share: Share
    ) -> list[Float[Array, "batch rows columns channels"]]:
        x = self.first(relu(self.stem(x)), share)
        outputs = []
        for index, stage in enumerate(self.stages):
            x = x if index == UNPOOLED else max_pool(x)
            for unit in stage:
                x = unit(x, share)
            outputs.append(x)
        return outputs[-len(STRIDES) :]


class Neck(nnx.Module):
    """Adds the features of each coarser level to the next finer one."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.units = nnx.List([Unit(WIDTH, WIDTH, rngs=rngs) for _ in STRIDES])

    def __call__(self, levels: list[Array], share: Share) -> list[Float[Array, "batch rows columns channels"]]:
        outputs: list[Array] = []
        for unit, x in reversed(list(zip(self.units, levels, strict=True))):
            outputs.insert(0, unit(x + doubled(outputs[0]) if outputs else x, share))
        return outputs


class Heads(nnx.Module):
    """One unit without ReLU per output and level."""

    def __init__(self, *, rngs: nnx.Rngs):
        for name, numbers in OUTPUTS.items():
            levels = [Unit(WIDTH, numbers, activation=False, rngs=rngs) for _ in STRIDES]
            setattr(self, name, nnx.List(levels))

    def __call__(
        self, levels: list[Array], share: Share
    ) -> dict[str, list[Float[Array, "batch rows columns numbers"]]]:
        return {name: [unit(x, share) for unit, x in zip(getattr(self, name), levels, strict=True)] for name in OUTPUTS}


def inside(x: Float[Array, "batch height width channels"], share: Share) -> Float[Array, "batch height width channels"]:
    """The part of a layer that holds the photograph, and 0 beyond it, as if this part alone had been padded.

    All other layers take single places, or squares that lie on one side of a border at a multiple of 32 pixels.
    """
    if share is None:
        return x
    rows, columns = (
        (jnp.arange(length, dtype=jnp.float32) + 0.5)[None] / length < share[:, axis, None]
        for axis, length in enumerate(x.shape[1:3])
    )
    return jnp.where((rows[:, :, None] & columns[:, None])[..., None], x, 0)


def max_pool(x: Float[Array, "batch height width channels"]) -> Float[Array, "batch rows columns channels"]:
    """The largest of each 2x2 values, or NaN if one of them is NaN."""

    def larger(a: Array, b: Array) -> Array:
        return jnp.where((a > b) | jnp.isnan(a), a, b)

    rows = larger(x[:, ::2], x[:, 1::2])
    return larger(rows[:, :, ::2], rows[:, :, 1::2])


def doubled(x: Float[Array, "batch height width channels"]) -> Float[Array, "batch rows columns channels"]:
    """Each value as a square of 2x2 equal ones."""
    return jnp.repeat(jnp.repeat(x, 2, 1), 2, 2)
