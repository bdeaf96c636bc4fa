"""The deficits of sets of faces: their mean deficit map, and the share of faces in which each region is marked."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.batches import over_files
from pfiq_jax.faces.reading import Face, ReadFaces
from pfiq_jax.maps.face_regions import MARKED, Region, region_deficits


class SetDeficits(NamedTuple):
    """The deficits of a set of faces.

    Attributes:
        mean: mean deficit of each pixel, in [0, 1]; 1 is worst. For a set of good faces it is about 0.5 everywhere.
        marked: by region, the share of the faces in which the region is marked; see ``maps.face_regions.MARKED``.
    """

    mean: Float[np.ndarray, "height width"]
    marked: dict[str, float]

    def numbers(self) -> dict[str, Any]:
        """The mean over all pixels, and the shares, for JSON."""
        return {"mean_deficit": float(self.mean.mean()), "marked": self.marked}


class Deficits(NamedTuple):
    """The deficits of the faces of high and of low quality."""

    high: SetDeficits
    low: SetDeficits

    def sentences(self) -> list[str]:
        """The deficits of the faces of low quality in words, most frequent region first."""
        often = sorted(self.low.marked.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{name} {share:.0%} ({self.high.marked[name]:.0%})" for name, share in often)
        return [
            f"The mean deficit of a pixel is {self.low.mean.mean():.2f} for low and {self.high.mean.mean():.2f} for "
            "high quality; 1 is worst, and 0.5 is usual in good faces.",
            f"Parts that contribute less than in {MARKED:.0%} of good faces, with the share of the low-quality "
            f"faces (of the high-quality faces): {shares}.",
        ]


def set_deficits(
    compute: Callable[[np.ndarray], ArrayLike | None],
    paths: Sequence[Path],
    read: ReadFaces,
    regions: Mapping[str, Region],
    *,
    advance: Callable[[int], object] = lambda faces: None,
) -> SetDeficits | None:
    """The deficits of the faces in files.

    Args:
        compute: the deficits of a batch of images, in [0, 1]; None if the recogniser was not calibrated for them.
        paths: of the files. Those that cannot be read are left out.
        read: returns the faces in a file.
        regions: as ``face_regions`` returns them.
        advance: called with 1 after each face.

    Returns:
        None if ``compute`` returns None.

    Raises:
        PfiqError: if no face can be read.
    """
    size = next(iter(regions.values())).shape
    total, count, marked = np.zeros(size), 0, Counter(dict.fromkeys(regions, 0))
    for batch in over_files(compute, paths, read):
        for _, face, deficit in batch:
            advance(1)
            if isinstance(face, Face):
                if deficit is None:
                    return None
                total += deficit
                count += 1
                marked.update(each.name for each in region_deficits(deficit, regions) if each.marked)
    if not count:
        raise PfiqError("no face of a set can be read; give image files of faces.")
    return SetDeficits(total / count, {name: number / count for name, number in marked.items()})
