"""The recogniser: image -> features -> embedding, as one immutable pytree."""

import dataclasses
import functools
import os
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from pfiq_jax.calibration import Calibration
from pfiq_jax.images import as_batch
from pfiq_jax.recognizers.network import Functions, KnownFeatures, Network
from pfiq_jax.recognizers.preprocessing import PIXELS, Preprocessing


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["parameters"],
    meta_fields=[
        "network",
        "preprocessing",
        "dropout_rate",
        "dropout_granularity",
        "dtype",
        "provenance",
        "calibrations",
    ],
)
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Recognizer:
    """A face recognition network as a pytree: its parameters are the leaves, all else is static.

    Hence ``jax.jit(pfiq_jax.ser_fiq_closed_form)(recognizer, images)`` works, and so do ``grad``, ``vmap``,
    ``device_put`` and sharding.

    Attributes:
        parameters: the leaves.
        network: the trunk and the head.
        preprocessing: what the network wants done to RGB pixels in 0..255.
        dropout_rate: the rate the head was trained with, 0 where it was trained without.
        dropout_granularity: what that dropout dropped: "unit" or whole "channel".
        dtype: in which ``save`` writes arrays that lose nothing by it.
        provenance: (name, text) pairs: where the weights come from, their licence, what was verified.
        calibrations: what quality scores mean on this network, one a method; see ``calibrated``.
    """

    parameters: PyTree  # not PyTree[Array]: JAX also puts shapes and other stand-ins in the place of leaves
    network: Network
    preprocessing: Preprocessing = PIXELS
    dropout_rate: float = 0.0
    dropout_granularity: Literal["unit", "channel"] = "unit"
    dtype: str = "float32"
    provenance: tuple[tuple[str, str], ...] = ()
    calibrations: tuple[Calibration, ...] = ()

    def __repr__(self) -> str:
        count = sum(leaf.size for leaf in jax.tree.leaves(self.parameters) if hasattr(leaf, "size"))
        return f"Recognizer({self.network}, {count:,} parameters, {self.preprocessing})"

    @classmethod
    def from_functions(
        cls,
        trunk: Callable[[PyTree, Array], Array],
        head: Callable[[PyTree, Array], Array],
        parameters: PyTree,
        *,
        preprocessing: Preprocessing = PIXELS,
        dropout_rate: float = 0.0,
    ) -> "Recognizer":
        """A recogniser from a network of one's own.

        Args:
            trunk: ``(parameters, images) -> features``; images (batch, height, width, 3) as ``preprocessing`` leaves
                them, features (batch, rows, columns, channels).
            head: ``(parameters, features) -> embedding`` (batch, dim), affine in the features. SER-FIQ's dropout acts
                on the features as they enter the head: a BatchNorm before it is the trunk's last layer.
            parameters: any pytree of arrays; both functions get the whole of it.
            preprocessing: by default the trunk gets RGB pixels in 0..255.
            dropout_rate: the rate the network was trained with.
        """
        return cls(parameters, Functions(trunk, head), preprocessing, dropout_rate)

    def features(self, images: ArrayLike) -> Float[Array, "*batch rows columns channels"]:
        """The trunk: RGB pixels in 0..255, one image or a batch, to features.

        Those of one image are (7, 7, channels), or the last map that the network pools: (3, 3, 1792) of FaceNet's.

        Raises:
            PfiqError: for images of another shape, dtype or range.
        """
        batch = as_batch(images, self.preprocessing.size)
        features = self.network.trunk(self.parameters, self.preprocessing(batch))
        return features.reshape(*jnp.shape(images)[:-3], *features.shape[1:])

    def head(self, features: Float[Array, "*batch rows columns channels"]) -> Float[Array, "*batch dim"]:
        """The head: features to the embedding, in float32, not normalised."""
        batch = features.reshape(-1, *features.shape[-3:])
        embedding = self.network.head(self.parameters, batch)
        return embedding.reshape(*features.shape[:-3], *embedding.shape[1:])

    def embed(self, images: ArrayLike) -> Float[Array, "*batch dim"]:
        """The embedding of RGB pixels in 0..255, one image or a batch: ``head(features(images))``, not normalised."""
        return self.head(self.features(images))

    def units_and_projection(
        self, features: Float[Array, "batch rows columns channels"]
    ) -> tuple[Array, Callable[[Array], Array]]:
        """What dropout acts on, and the affine rest of the head as a function of it.

        SER-FIQ repeats the second only.
        """
        seen: list[Array] = []

        def capture(units: Array) -> Array:
            seen.append(units)
            return units

        self.network.head(self.parameters, features, capture)

        def project(units: Array) -> Float[Array, "batch dim"]:
            return self.network.head(self.parameters, features, lambda _: units)

        return seen[0], project

    def without_output_norm(self) -> "Recognizer":
        """This recogniser without the head's last BatchNorm, as the first SER-FIQ and the PLQ code have it.

        A head of one's own stays as it is.
        """
        return dataclasses.replace(self, parameters=self.network.without_output_norm(self.parameters))

    def with_features(self, features: Array) -> "Recognizer":
        """This recogniser with a trunk that returns known features, so that a function of (recogniser, images)
        can be asked about images whose features are already there, at the price of the head alone."""
        batch = features.reshape(-1, *features.shape[-3:])
        parameters = {"features": batch, "parameters": self.parameters}
        return dataclasses.replace(self, parameters=parameters, network=KnownFeatures(self.network))

    def without_features(self) -> "Recognizer":
        """This recogniser with its own trunk in place of known features, to be asked about other images than theirs."""
        if not isinstance(self.network, KnownFeatures):
            return self
        inner = dataclasses.replace(self, parameters=self.parameters["parameters"], network=self.network.network)
        return inner.without_features()

    def calibration(self, method: str) -> Calibration | None:
        """What the scores of a quality method mean on this network; None where that was not fitted."""
        return next((each for each in self.calibrations if each.method == method), None)

    def calibrated(self, calibration: Calibration) -> "Recognizer":
        """This recogniser with a calibration, in place of one of the same method."""
        others = tuple(each for each in self.calibrations if each.method != calibration.method)
        return dataclasses.replace(self, calibrations=(*others, calibration))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a ``.safetensors`` file that ``load_recognizer`` reads back, bit for bit, as float32 values.

        Raises:
            PfiqError: for a network of one's own, whose functions no file can hold, and for a place that cannot be
                written.
        """
        from pfiq_jax.recognizers.weights_file import save_recognizer  # it knows all architectures, this file none

        save_recognizer(self, path)
