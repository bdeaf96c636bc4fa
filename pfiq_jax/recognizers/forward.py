"""A forward pass as a value, which public functions accept instead of images."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.images import check_images

P = ParamSpec("P")
R = TypeVar("R")


class Forward(NamedTuple):
    """The results of one forward pass, for one image or a batch.

    Every quality and map method accepts it instead of images, so that the trunk need not run again.

    Attributes:
        images: RGB, 0..255, as float32.
        features: output of the trunk.
        units: what dropout acts on, in float32: the features, after the head's BatchNorm or pooling if it has one.
        embedding: in float32, not normalised.
    """

    images: Float[Array, "*batch height width 3"]
    features: Float[Array, "*batch rows columns channels"]
    units: Float[Array, "..."]
    embedding: Float[Array, "*batch dim"]


Images: TypeAlias = ArrayLike | Forward
"""RGB pixels, 0..255, (height, width, 3) or (batch, height, width, 3), or the ``Forward`` of such images.

A range of values that cannot be 0..255 raises an error. Inside ``jax.jit`` the values of an argument are not known, so
0..255 is assumed, and pixels of 0..1 are scored as a black image.
"""


def per_face(function: Callable[P, R]) -> Callable[P, R]:
    """Decorates a function of a batch. The public function takes one face or a batch, checks it, and is compiled.

    The decorated function has the arguments ``key`` (if it requires one), ``recognizer``, ``images``, and its options
    by keyword. It gets images as a float32 array (batch, height, width, 3), or as the ``Forward`` of a batch, and
    returns a pytree of arrays with one row per face. For a single image, the public function returns its row.

    Options are static, so another value compiles again, except for arrays. A function that is an option should be
    defined once, since JAX compares functions by identity.
    """
    signature = inspect.signature(function)

    def run(before: tuple[Any, ...], images: Any, options: tuple[tuple[str, Any], ...], arrays: dict[str, Any]) -> Any:
        return function(*before, images, **dict(options), **arrays)

    run.__name__ = run.__qualname__ = function.__name__  # the name of the compiled function in profiles
    compiled = jax.jit(run, static_argnums=2)

    @functools.wraps(function)
    def call(*arguments: P.args, **keywords: P.kwargs) -> R:
        bound = signature.bind(*arguments, **keywords)
        *before, images = bound.args
        _check_order(bound)
        if not isinstance(images, Forward):
            # Converted outside, so that pixels of any dtype run the same program and give equal results.
            images = jnp.asarray(check_images(images, before[-1].preprocessing.size)).astype(jnp.float32)
        is_single = jnp.ndim(images.images if isinstance(images, Forward) else images) == 3
        if is_single:
            images = jax.tree.map(lambda leaf: leaf[None], images)
        arrays = {name: value for name, value in bound.kwargs.items() if isinstance(value, jax.Array | np.ndarray)}
        options = tuple((name, value) for name, value in bound.kwargs.items() if name not in arrays)
        result = compiled(tuple(before), images, options, arrays)
        return jax.tree.map(lambda leaf: leaf[0], result) if is_single else result

    return call


def variants_at_once(limit: int, batch: object) -> int:
    """The number of variants of each face of a batch that fit into a limit of faces in memory; at least 1.

    Args:
        limit: faces times variants.
        batch: number of faces. For a symbol of ``jax.export``, the result is 1.
    """
    return max(1, limit // batch) if isinstance(batch, int) and batch else 1


def _check_order(bound: inspect.BoundArguments) -> None:
    """Raises a PfiqError unless the argument ``recognizer`` is a recogniser."""
    names = list(bound.arguments)[: len(bound.args)]
    found = bound.arguments["recognizer"]
    if not hasattr(found, "preprocessing"):  # recognizer.py imports this module
        order = ", ".join(names)
        raise PfiqError(f"recognizer: is of type {type(found).__name__}; give ({order}) in this order.")
