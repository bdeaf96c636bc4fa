"""A recogniser as a pure function of weights and BatchNorm statistics, for training."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Num, PyTree

from pfiq_jax.adapting.adapted import adapted
from pfiq_jax.errors import PfiqError, check_share
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.batch_norm import BatchNorm
from pfiq_jax.recognizers.modules import state_of
from pfiq_jax.recognizers.network import Embedding, Units
from pfiq_jax.recognizers.recognizer import Recognizer

TrainingForward: TypeAlias = Callable[
    [PyTree, PyTree, jax.Array, Num[Array, "batch height width 3"]], tuple[Float[Array, "batch dim"], PyTree]
]


def split_statistics(recognizer: Recognizer) -> tuple[PyTree, PyTree]:
    """The parameters that gradients may change, and the BatchNorm statistics.

    Both trees have the structure of ``recognizer.parameters``, with None in place of the leaves of the other tree.
    Optimisers skip None. ``recognizer.trainable()`` is True for the leaves of the first tree.
    """
    is_weight, leaves = recognizer.trainable().parameters, recognizer.parameters
    return (
        jax.tree.map(lambda weight, leaf: leaf if weight else None, is_weight, leaves),
        jax.tree.map(lambda weight, leaf: None if weight else leaf, is_weight, leaves),
    )


def with_parameters(recognizer: Recognizer, parameters: PyTree, statistics: PyTree) -> Recognizer:
    """The recogniser with other parameters and statistics, in the form of ``split_statistics``.

    Its calibrations, reference of good faces and learned head are left out, since they were fitted to the previous
    parameters. ``pfiq calibrate`` and ``fit_quality_head`` fit new ones.
    """
    return adapted(recognizer, _joined(parameters, statistics))


def training_forward(
    recognizer: Recognizer,
    *,
    batch_statistics: bool = False,
    momentum: float = 0.1,
    dropout_rate: float | None = None,
) -> TrainingForward:
    """The forward pass for training: ``(parameters, statistics, key, images) -> (embedding, statistics)``.

    The returned function is pure. Compile it together with the loss and the optimiser::

        parameters, statistics = split_statistics(recognizer)
        forward = training_forward(recognizer, batch_statistics=True)

        @jax.jit
        def step(parameters, statistics, state, key, images, labels):
            def loss(parameters):
                embedding, moved = forward(parameters, statistics, key, images)
                return margin_loss(embedding, labels), moved

            gradients, moved = jax.grad(loss, has_aux=True)(parameters)
            updates, state = optimizer.update(gradients, state, parameters)
            return optax.apply_updates(parameters, updates), moved, state

        recognizer = with_parameters(recognizer, parameters, statistics)

    Images are RGB, (batch, height, width, 3), in 0..255, which is not checked. Embeddings are (batch, dim), not
    normalised. Each face has its own dropout mask.

    Args:
        recognizer: determines the network, its preprocessing and precision, and the granularity of its dropout. Its
            parameters are not used.
        batch_statistics: normalise by the mean and variance of the batch, and return statistics that moved towards
            them. By default all BatchNorms use the given statistics, which are returned as they are. If a batch is
            sharded over devices, its statistics are those of the whole batch.
        momentum: how far the statistics move towards those of the batch per step, in (0, 1), as in PyTorch; 0.1 is a
            tenth of the way.
        dropout_rate: of the head, in [0, 1); by default the recogniser's.

    Raises:
        PfiqError: for batch statistics of a custom network or of a network whose BatchNorms were folded into other
            layers, and for a momentum or rate out of its range.
    """
    rate = recognizer.dropout_rate if dropout_rate is None else dropout_rate
    if rate:
        check_share("dropout_rate", rate)
    check_share("momentum", momentum)
    if batch_statistics and not isinstance(recognizer.network, Architecture):
        raise PfiqError("batch_statistics: is not supported for a custom network; train it by its own functions.")
    if batch_statistics and recognizer.folded_batch_norms:
        raise PfiqError(
            "batch_statistics: the BatchNorms were folded into other layers; convert the training checkpoint."
        )
    network = recognizer.network

    def forward(
        parameters: PyTree, statistics: PyTree, key: jax.Array, images: Num[Array, "batch height width 3"]
    ) -> tuple[Embedding, PyTree]:
        joined = dataclasses.replace(recognizer, parameters=_joined(parameters, statistics)).parameters_to_run
        images = recognizer.preprocessing(images.astype(jnp.float32))
        drop = partial(_drop, key, rate=rate, granularity=recognizer.dropout_granularity)
        if batch_statistics:
            assert isinstance(network, Architecture)  # for the type checker: checked above
            embedding, moved = _by_batch_statistics(network, joined, images, drop, momentum)
            return embedding, _map_with_none(lambda old, new: old if old is None else new, statistics, moved)
        units = network.units(joined, network.trunk(joined, images))
        return network.project(joined, drop(units)), statistics

    return forward


def _joined(parameters: PyTree, statistics: PyTree) -> PyTree:
    return _map_with_none(lambda weight, number: number if weight is None else weight, parameters, statistics)


def _map_with_none(function: Callable[..., Any], *trees: PyTree) -> PyTree:
    """``jax.tree.map`` in which None is a leaf."""
    return jax.tree.map(function, *trees, is_leaf=lambda leaf: leaf is None)


def _drop(key: jax.Array, units: Units, *, rate: float, granularity: str) -> Units:
    """Units under a random mask per face."""
    if not rate:
        return units
    places = units.shape[1:-1] if granularity == "unit" else (1,) * (units.ndim - 2)
    kept = jax.random.bernoulli(key, jnp.float32(1 - rate), (len(units), *places, units.shape[-1]))
    return units * kept.astype(units.dtype) / (1 - rate)


def _by_batch_statistics(
    network: Architecture, parameters: PyTree, images: Array, drop: Callable[[Units], Units], momentum: float
) -> tuple[Embedding, PyTree]:
    """The embedding, and the parameters with statistics that moved towards those of the batch."""
    if len(images) < 2:
        raise PfiqError(
            f"batch_statistics: a batch of {len(images)} has no variance; give batches of two or more faces."
        )
    trunk, head = (network.module(part, parameters) for part in ("trunk", "head"))
    for _, module in (*nnx.iter_modules(trunk), *nnx.iter_modules(head)):
        if isinstance(module, BatchNorm):
            module.use_running_average, module.momentum = False, 1 - momentum
    embedding = head.project(drop(head.units(trunk(images))))
    moved = {**parameters, "trunk": state_of(trunk)[1], "head": state_of(head)[1]}
    return embedding, jax.lax.stop_gradient(moved)
