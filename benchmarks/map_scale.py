"""The scale of the default pixel map: its argument at the median pixel of the faces in a folder.

    python -m benchmarks.map_scale ../shared/data/lfw_dev --step 23

The default of ``pixel_quality(a=...)`` is this median to the power of -2, rounded.
"""

from pathlib import Path

import click
import jax
import numpy as np

from pfiq_jax import load_recognizer, pixel_quality
from pfiq_jax.faces import expand_paths, read_image


@click.command(help=__doc__.split("\n")[0])
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--step", default=1, help="Take every n-th face.")
def main(folder: Path, step: int) -> None:
    recognizer = load_recognizer()

    saliency = jax.jit(lambda image: pixel_quality(recognizer, image, a=1.0, b=1.0).map)  # s / (1 + s), s small

    paths = expand_paths([folder])[::step]
    argument = np.stack([saliency(read_image(path)) for path in paths])
    median = np.median(argument)
    print(f"{len(paths)} faces: median pixel {median:.2e}, a = 10**{-2 * np.log10(median):.2f}")
    of_face = np.percentile(np.median(argument, (1, 2)), [1, 10, 50, 90, 99])
    print("median pixel of a face, percentiles 1, 10, 50, 90, 99: " + " ".join(f"{each:.1e}" for each in of_face))


if __name__ == "__main__":
    main()
