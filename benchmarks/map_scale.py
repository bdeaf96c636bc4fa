"""The scales of the pixel maps: the argument of each map at the median pixel of the faces in a folder.

    python -m benchmarks.map_scale ../shared/data/lfw_dev --step 23

The constants in ``pfiq_jax/maps/pixel_quality.py`` are these medians, rounded.
"""

from pathlib import Path

import click
import numpy as np

from pfiq_jax import load_recognizer, pixel_quality
from pfiq_jax.faces import expand_paths, read_image
from pfiq_jax.maps.regressors import REGRESSORS


@click.command(help=__doc__.split("\n")[0])
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--step", default=1, help="Take every n-th face.")
def main(folder: Path, step: int) -> None:
    recognizer = load_recognizer()
    faces = [read_image(path) for path in expand_paths([folder])[::step]]
    kinds = [(name, "contribution") for name in REGRESSORS] + [("least_norm", "magnitude")]
    for regressor, saliency in kinds:
        options = {"regressor": regressor, "saliency": saliency, "a": 1e-6, "b": 1.0}
        maps = np.stack([pixel_quality(recognizer, face, **options).map for face in faces])
        median = np.median(maps / (1 - maps)) * 1e6
        print(f"{regressor}, {saliency}: {median:.3g} at the median pixel of {len(faces)} faces")


if __name__ == "__main__":
    main()
