"""Faces with sunglasses, a scarf or a hand drawn over them.

Source: Terhörst et al., "Pixel-Level Face Image Quality Assessment for Explainable Face Recognition", 2021, section on
inpainting. Their occlusions are real. Here they are drawn, so that the clean face is known as well.
"""

from typing import NamedTuple

import numpy as np

from pfiq_jax.evaluation.maps.regions import Images, Regions
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE

OCCLUSIONS = ("sunglasses", "scarf", "hand")


class Occluded(NamedTuple):
    """Faces with one occlusion each.

    Attributes:
        images: RGB, 0..255.
        regions: the pixels of the occlusions.
        kinds: the kind of each occlusion, one of ``OCCLUSIONS``.
    """

    images: Images
    regions: Regions
    kinds: list[str]


def occlude(seed: int, images: Images) -> Occluded:
    """Draws sunglasses, a scarf or a hand over each face, in turn, as shapes of one colour at random places.

    Args:
        seed: of places and colours.
        images: RGB, 0..255, aligned to ``ARCFACE_TEMPLATE``; the shapes are scaled if the images are not 112x112.
    """
    height, width = images.shape[1:3]
    generator = np.random.default_rng(seed)
    regions, colours, kinds = [], [], []
    for index in range(len(images)):
        kind = OCCLUSIONS[index % len(OCCLUSIONS)]
        shift = generator.uniform(-3, 3, 2)
        y = (np.arange(height)[:, None] + 0.5) * 112 / height - shift[0]
        x = (np.arange(width)[None, :] + 0.5) * 112 / width - shift[1]
        regions.append(np.broadcast_to(_shape(kind, y, x, generator), (height, width)))
        darkest, brightest = {"sunglasses": (0, 60), "scarf": (0, 256), "hand": (100, 220)}[kind]
        colour = generator.integers(darkest, brightest, 3)
        colours.append(np.sort(colour)[::-1] if kind == "hand" else colour)  # red is the brightest channel of skin
        kinds.append(kind)
    where = np.stack(regions)
    paint = np.array(colours, images.dtype)[:, None, None]
    return Occluded(np.where(where[..., None], paint, images), where, kinds)


def _shape(kind: str, y: np.ndarray, x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The pixels of an occlusion; coordinates are in pixels of the template."""
    right_eye, left_eye, _, right_mouth, left_mouth = ARCFACE_TEMPLATE
    centre = (right_eye[0] + left_eye[0]) / 2
    if kind == "sunglasses":
        return (np.abs(x - centre) <= 34) & (np.abs(y - right_eye[1]) <= 10)
    if kind == "scarf":
        return (np.abs(x - (right_mouth[0] + left_mouth[0]) / 2) <= 40) & (y >= right_mouth[1] - 14)
    angle, side = generator.uniform(-0.6, 0.6), generator.choice((-1, 1))
    dy, dx = y - 74, x - (centre + 20 * side)  # a cheek
    along, across = dy * np.cos(angle) + dx * np.sin(angle), dx * np.cos(angle) - dy * np.sin(angle)
    return (along / 30) ** 2 + (across / 14) ** 2 <= 1
