"""How a network preprocesses pixels; it is saved with the weights."""

from dataclasses import dataclass, field
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError

Points = tuple[tuple[float, float], ...]

ARCFACE_TEMPLATE: Points = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
"""Positions of the five landmarks in a 112x112 crop, (x, y) in pixels; (0, 0) is the centre of the first pixel.

They are the person's right eye (left in the image), left eye, tip of the nose, right and left corner of the mouth.
"""


def template_for(size: tuple[int, int]) -> Points:
    """``ARCFACE_TEMPLATE`` in a crop of another height and width, in pixels of the crop."""
    height, width = size
    return tuple((x * (width / 112), y * (height / 112)) for x, y in ARCFACE_TEMPLATE)


@dataclass(frozen=True)
class Preprocessing:
    """From RGB pixels in 0..255 to a network's input: ``(pixels - mean) * scale``, in the channel order of the network.

    Attributes:
        size: height and width in pixels.
        mean: of the three channels, in the network's order, in grey levels.
        scale: of the three channels, in the network's order, per grey level.
        channel_order: of the network's input. The library's own order is always RGB.
        template: positions of the five landmarks in the crops that the network was trained on, in the form of
            ``ARCFACE_TEMPLATE``; None if they are unknown, or if it was trained on the boxes of a detector.
    """

    size: tuple[int, int] = (112, 112)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channel_order: Literal["RGB", "BGR"] = "RGB"
    template: Points | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        lengths = [len(self.size), len(self.mean), len(self.scale)]
        numbers = [*self.size, *self.mean, *self.scale]
        if lengths != [2, 3, 3] or not all(isinstance(number, int | float) for number in numbers):
            raise PfiqError(
                f"size, mean and scale: are {self.size}, {self.mean} and {self.scale}; give 2, 3 and 3 numbers."
            )
        if self.channel_order not in ("RGB", "BGR"):
            raise PfiqError(f"channel_order is {self.channel_order!r}; choose one of 'RGB', 'BGR'.")

    def __call__(self, images: Float[Array, "batch height width 3"]) -> Float[Array, "batch height width 3"]:
        """Preprocessed images."""
        if self.channel_order == "BGR":
            images = images[..., ::-1]
        mean, scale = jnp.asarray([[[self.mean]], [[self.scale]]], images.dtype)
        return (images - mean[None]) * scale[None]


PIXELS = Preprocessing()
"""RGB in 0..255, as they are."""

ARCFACE_TORCH = Preprocessing(mean=(127.5,) * 3, scale=(1 / 127.5,) * 3, template=ARCFACE_TEMPLATE)
"""The preprocessing of insightface's ``arcface_torch``: (x / 255 - 0.5) / 0.5."""

ARCFACE_MXNET = Preprocessing(mean=(127.5,) * 3, scale=(1 / 128,) * 3, template=ARCFACE_TEMPLATE)
"""The preprocessing of insightface's MXNet symbols and of SFace. Both apply it inside the network."""
