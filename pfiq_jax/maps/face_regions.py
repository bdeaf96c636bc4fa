"""Named regions of an aligned face, and which of them contribute unusually little: a deficit map in words.

The pixels inside an oval around the face belong to the region with the nearest centre. Oval and centres follow from the
five landmarks of the alignment template. Left and right are the person's: the right eye is left in the image.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pfiq_jax.recognizers.preprocessing import Preprocessing, template_for

MARKED = 0.97
"""A region is marked if half of its pixels have this deficit or more.

Few clean good faces have such a region, and drawn sunglasses nearly always mark both eyes
(``benchmarks/results/good_faces.md``). A lower value marks more clean faces; a higher value misses more sunglasses.
"""

NOT_CALIBRATED = "The recogniser was not calibrated for deficits, so they are left out; run `pfiq calibrate`."
"""The note of a command that cannot show deficits."""

ALL_CONTRIBUTE = "No part of the face contributes unusually little."

Deficit = Float[np.ndarray, "height width"]
Region = Bool[np.ndarray, "height width"]


class RegionDeficit(NamedTuple):
    """How unusual the lack of contribution is in a region of a face.

    Attributes:
        name: such as "left eye"; left and right are the person's.
        deficit: median over the pixels of the region, in [0, 1]; 1 is worst.
        marked: whether the region is reported; see ``MARKED``.
    """

    name: str
    deficit: float
    marked: bool

    @property
    def share(self) -> str:
        """The share of good faces that contribute more, in whole percent; never 100%, since a sample is finite."""
        return f"{min(int(100 * self.deficit), 99)}%"

    def sentence(self) -> str:
        """The finding in words."""
        return f"{self.name}: contributes less than in {self.share} of good faces"


class MarkedRegions(NamedTuple):
    """The regions of a face by deficit, and the area to outline.

    Attributes:
        regions: all regions, worst first.
        area: (height, width), the connected areas with a deficit of ``MARKED`` or more that reach into a marked region;
            empty if no region is marked.
    """

    regions: list[RegionDeficit]
    area: Region

    def sentences(self) -> list[str]:
        """A sentence per marked region, or one sentence if no region is marked."""
        return [each.sentence() for each in self.regions if each.marked] or [ALL_CONTRIBUTE]


def face_regions(preprocessing: Preprocessing) -> dict[str, Region]:
    """Eight disjoint regions of an aligned face, by name.

    Args:
        preprocessing: of the recogniser; without a template, ArcFace's is used, scaled to the crop.

    Returns:
        Masks (height, width) of the recogniser's images: forehead, right and left eye, nose, right and left cheek,
        mouth, chin. Pixels outside the face are in no region.
    """
    height, width = preprocessing.size
    points = np.asarray(preprocessing.template or template_for(preprocessing.size))
    right_eye, left_eye, nose, right_mouth, left_mouth = points
    eyes, mouth = (right_eye + left_eye) / 2, (right_mouth + left_mouth) / 2
    outward, down = (left_eye - right_eye) / 2, mouth - eyes
    centres = {
        "forehead": eyes - 0.75 * down,
        "right eye": right_eye,
        "left eye": left_eye,
        "nose": nose,
        "right cheek": (right_eye + right_mouth) / 2 - 0.45 * outward,
        "left cheek": (left_eye + left_mouth) / 2 + 0.45 * outward,
        "mouth": mouth,
        "chin": mouth + 0.45 * down,
    }
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)  # x, y as in the template
    distances = [np.sum((pixels - centre) ** 2, -1) for centre in centres.values()]
    nearest = np.argmin(distances, 0)
    half_axes = np.array((2 * outward[0], 1.25 * down[1]))
    oval = np.sum(((pixels - (eyes + down / 4)) / half_axes) ** 2, -1) <= 1
    return {name: oval & (nearest == index) for index, name in enumerate(centres)}


def region_deficits(deficit: Deficit, regions: Mapping[str, Region]) -> list[RegionDeficit]:
    """How unusual the lack of contribution is in each region, worst first.

    Args:
        deficit: of one face, as ``PixelQuality.deficit``.
        regions: as ``face_regions`` returns them.
    """
    medians = {name: float(np.median(deficit[region])) for name, region in regions.items()}
    found = [RegionDeficit(name, median, median >= MARKED) for name, median in medians.items()]
    return sorted(found, key=lambda each: -each.deficit)


def mark_regions(deficit: Deficit, regions: Mapping[str, Region]) -> MarkedRegions:
    """The regions that contribute unusually little, and the area to outline in a picture.

    Args:
        deficit: of one face, as ``PixelQuality.deficit``.
        regions: as ``face_regions`` returns them.
    """
    from scipy.ndimage import label  # takes long to import

    found = region_deficits(deficit, regions)
    areas, _ = label(deficit >= MARKED)
    marked = np.any([regions[each.name] for each in found if each.marked], axis=0)
    reached = np.unique(areas[marked & (areas > 0)])
    return MarkedRegions(found, np.isin(areas, reached))
