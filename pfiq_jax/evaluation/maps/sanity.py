"""Sanity checks of maps: whether they depend on the network's weights and on the face, and are stable under noise.

Source: Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018. Some methods draw the edges of the image,
whatever the network has learned. Their maps do not change if the weights are shuffled.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

from pfiq_jax.evaluation.controls import mean_maps
from pfiq_jax.evaluation.maps.regions import Images, Maps, relative_ranks
from pfiq_jax.recognizers.recognizer import Recognizer

NOISE_SIGMA = 2.0  # grey levels, as from a camera's sensor in good light; invisible


def randomized(seed: int, recognizer: Recognizer) -> Recognizer:
    """The recogniser with the numbers of each parameter array of its trunk shuffled.

    Unlike new random numbers, shuffled numbers keep the distribution of each layer's weights, and variances stay
    positive. The head is not shuffled, since scaled scores would fall to 1e-20, and float32 cannot represent their
    maps.

    Args:
        seed: of the shuffling.
        recognizer: any recogniser. If its parameters are not a mapping with a "trunk", all of them are shuffled.

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
    return _correlation(relative_ranks(maps), relative_ranks(others))


def mean_map_r2(maps: Maps) -> Float[np.ndarray, " faces"]:
    """The squared correlation of each face's map and the mean map of all other faces, 0 to 1.

    The lower the value, the more the map depends on the face. NaN for a constant map.
    """
    return _correlation(maps.astype(np.float64), mean_maps(maps).astype(np.float64)) ** 2


def noisy(seed: int, images: Images) -> Float[np.ndarray, "faces height width 3"]:
    """The images with Gaussian noise of ``NOISE_SIGMA`` grey levels, clipped to 0..255."""
    noise = np.random.default_rng(seed).normal(0, NOISE_SIGMA, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.float32)


def _shuffled(seed: int, parameters: PyTree) -> PyTree:
    generator = np.random.default_rng(seed)  # NumPy's, since JAX would compile a sort per shape
    return jax.tree.map(
        lambda leaf: jnp.asarray(generator.permutation(np.ravel(leaf)).reshape(np.shape(leaf))), parameters
    )


def _correlation(maps: Maps, others: Maps) -> Float[np.ndarray, " faces"]:
    """Pearson's correlation of the pixels of two maps of each face; NaN if one of them is constant."""
    first, second = (each - each.mean((1, 2), keepdims=True) for each in (maps, others))
    lengths = np.sqrt(np.sum(first**2, (1, 2)) * np.sum(second**2, (1, 2)))
    return np.where(lengths > 0, np.sum(first * second, (1, 2)) / np.where(lengths > 0, lengths, 1), np.nan)
