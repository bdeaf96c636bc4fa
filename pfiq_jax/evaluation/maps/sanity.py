"""Sanity checks of maps: whether a map depends on the network's weights, and whether it is stable under noise.

Source: Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018. Some methods draw the edges of the image,
whatever the network has learned. Their maps stay the same if the weights are random.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

from pfiq_jax.evaluation.maps.regions import Images, Maps
from pfiq_jax.recognizers.recognizer import Recognizer

NOISE_SIGMA = 2.0  # grey levels, as of a camera's sensor in good light; invisible


def randomized(seed: int, recognizer: Recognizer) -> Recognizer:
    """The recogniser with the numbers of each parameter array of its trunk shuffled.

    Shuffling, unlike drawing new numbers, keeps the distribution of each layer's weights and leaves variances positive.
    The head is not shuffled: otherwise scaled scores fall to 1e-20, and float32 cannot represent their maps.

    Args:
        seed: of the shuffling.
        recognizer: any; unless its parameters are a mapping with a "trunk", all of them are shuffled.

    References:
        Adebayo et al., section 3, the model parameter randomisation test.
    """
    parameters = recognizer.parameters
    if not isinstance(parameters, Mapping) or "trunk" not in parameters:
        return dataclasses.replace(recognizer, parameters=_shuffled(seed, parameters))
    trunk = _shuffled(seed, parameters["trunk"])
    return dataclasses.replace(recognizer, parameters={**parameters, "trunk": trunk})


def rank_correlation(maps: Maps, others: Maps) -> Float[np.ndarray, " faces"]:
    """Spearman's rank correlation of the pixels of two maps of each face, -1 to 1; ties share their mean rank.

    NaN if one of the maps is constant.
    """
    first, second = (_centred_ranks(each) for each in (maps, others))
    lengths = np.sqrt(np.sum(first**2, 1) * np.sum(second**2, 1))
    return np.where(lengths > 0, np.sum(first * second, 1) / np.where(lengths > 0, lengths, 1), np.nan)


def noisy(seed: int, images: Images) -> Float[np.ndarray, "faces height width 3"]:
    """The images with Gaussian noise of ``NOISE_SIGMA`` grey levels, clipped to 0..255."""
    noise = np.random.default_rng(seed).normal(0, NOISE_SIGMA, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.float32)


def _shuffled(seed: int, parameters: PyTree) -> PyTree:
    generator = np.random.default_rng(seed)  # NumPy's: JAX would compile a sort for each shape
    return jax.tree.map(
        lambda leaf: jnp.asarray(generator.permutation(np.ravel(leaf)).reshape(np.shape(leaf))), parameters
    )


def _centred_ranks(maps: Maps) -> Float[np.ndarray, "faces pixels"]:
    from scipy.stats import rankdata  # takes long to import

    ranks = rankdata(maps.reshape(len(maps), -1), axis=1).astype(np.float64)  # newer scipy ranks float32 in float32
    return ranks - ranks.mean(1, keepdims=True)
