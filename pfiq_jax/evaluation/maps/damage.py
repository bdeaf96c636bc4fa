"""Global damage: whether the mean of a map follows the score on faces that are disturbed as a whole."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from pfiq_jax.evaluation.bootstrap import estimate_of
from pfiq_jax.evaluation.estimate import Estimate
from pfiq_jax.evaluation.maps.explained import Explain
from pfiq_jax.evaluation.maps.regions import Images
from pfiq_jax.evaluation.maps.sanity import rank_correlation
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.quality.methods import default_quality_method, embeddings_and_scores
from pfiq_jax.recognizers.recognizer import Recognizer

BLUR_SIGMAS = (1.0, 2.0, 4.0)  # pixels
SHRINKINGS = (2, 3, 5)  # factors by which the image is shrunk before it is enlarged again
GAINS = (0.5, 0.25, 0.1)  # factors of all pixels


def blurred(images: Images, sigma: float) -> Images:
    """The images, blurred by a Gaussian with a standard deviation in pixels, uint8."""
    from scipy.ndimage import gaussian_filter  # takes long to import

    return _rounded(gaussian_filter(images.astype(np.float32), (0, sigma, sigma, 0)))


def shrunk(images: Images, times: int) -> Images:
    """The images, shrunk by a factor and enlarged again, uint8."""
    from PIL import Image

    height, width = images.shape[1:3]
    small = (max(1, width // times), max(1, height // times))
    return np.stack([np.asarray(Image.fromarray(image).resize(small).resize((width, height))) for image in images])


def darkened(images: Images, gain: float) -> Images:
    """The images with all pixels multiplied by a factor, uint8."""
    return _rounded(images * np.float32(gain))


DAMAGES: Mapping[str, Callable[[Images], Images]] = MappingProxyType(
    {f"blur_{sigma:g}": lambda images, sigma=sigma: blurred(images, sigma) for sigma in BLUR_SIGMAS}
    | {f"small_{times}": lambda images, times=times: shrunk(images, times) for times in SHRINKINGS}
    | {f"dark_{gain:g}": lambda images, gain=gain: darkened(images, gain) for gain in GAINS}
)
"""Every kind and severity of global damage by its name, as a function of uint8 RGB images."""


def damage_estimates(
    recognizer: Recognizer,
    images: Images,
    methods: Mapping[str, Explain],
    *,
    seed: int,
    advance: Callable[[int], object],
) -> dict[tuple[str, str], Estimate]:
    """How well the mean of each method's map follows the default score over all ``DAMAGES`` of all faces.

    Args:
        recognizer: the network of the score.
        images: uint8 RGB, aligned, one face of each person.
        methods: by name.
        seed: of the bootstrap.
        advance: called with the number of faces whose score was computed since the last call.

    Returns:
        The measure ``follows_score`` of each method.
    """
    score = default_quality_method(recognizer)
    scores: list[np.ndarray] = []
    means: dict[str, list[np.ndarray]] = {name: [] for name in methods}
    for damage in DAMAGES.values():
        spoiled = damage(images)
        _, found = in_batches(lambda batch: embeddings_and_scores(recognizer, batch, methods=(score,)), spoiled)
        scores.append(found[score])
        advance(len(images))
        for name, explain in methods.items():
            means[name].append(explain(spoiled).map.mean((1, 2), dtype=np.float64))
    return {
        (name, "follows_score"): follows_score(np.stack(each), np.stack(scores), seed=seed)
        for name, each in means.items()
    }


def follows_score(
    means: Float[np.ndarray, "damages faces"],
    scores: Float[np.ndarray, "damages faces"],
    *,
    seed: int,
) -> Estimate:
    """Spearman's rank correlation of the means of maps and the scores over all disturbed faces, -1 to 1.

    The interval is that of a bootstrap over the faces, each with all damages. NaN if the means or the scores are
    constant.

    Args:
        means: mean of the map of each face with each damage.
        scores: of the same faces, on any scale; higher is better.
        seed: of the bootstrap.
    """

    def correlation(counts: np.ndarray) -> float:
        first, second = (np.repeat(each.ravel(), counts)[None, :, None] for each in (means, scores))
        return float(rank_correlation(first, second)[0])

    damages, faces = means.shape
    return estimate_of(correlation, np.tile(np.arange(faces), damages), seed=seed)


def _rounded(pixels: Float[np.ndarray, "faces height width 3"]) -> Images:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
