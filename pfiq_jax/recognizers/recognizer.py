"""The recogniser: image -> features -> units -> embedding, as one immutable pytree."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import jax
from jaxtyping import Array, Float, PyTree

from pfiq_jax import pytrees
from pfiq_jax.calibration import Calibration
from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.good_faces import GoodFaces
from pfiq_jax.learned_head import LearnedHead
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.forward import Forward, Images, per_face
from pfiq_jax.recognizers.network import Functions, Network, Units, as_they_are
from pfiq_jax.recognizers.precision import STATISTICS, Precision, with_bfloat16_trunk
from pfiq_jax.recognizers.preprocessing import PIXELS, Preprocessing
from pfiq_jax.recognizers.provenance import Provenance


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Recognizer:
    """A face recognition network as an immutable pytree.

    Its leaves are the parameters and the values that were fitted to the recogniser; everything else is static. A
    recogniser is therefore an argument of ``jax.jit``, ``grad``, ``vmap`` and ``device_put`` like any other tree of
    arrays. ``storage_dtype`` and ``provenance`` are descriptions: no compiled function depends on them, and other
    values cause no new compilation.

    Attributes:
        parameters: nested dictionaries of arrays with string keys; the keys of lists have two digits ("00", "01").
        network: the three functions.
        preprocessing: from RGB pixels in 0..255 to the input of the network.
        dropout_rate: the rate that the head was trained with; 0 if it was trained without dropout.
        dropout_granularity: what this dropout drops: single units ("unit") or whole channels ("channel").
        folded_batch_norms: whether the BatchNorms were folded into convolutions, so that their statistics are lost.
        precision: of the trunk; see ``with_precision``.
        calibrations: scales of raw scores on this network, and what they mean, by the name of the method.
        good_faces: the reference of good faces for deficits; None if the recogniser has none.
        learned_head: predicts quality from a forward pass (``learned``); None if none was fitted.
        storage_dtype: the dtype that ``save`` uses for every array that it represents exactly.
        provenance: where the weights come from.
    """

    parameters: PyTree  # not PyTree[Array]: JAX also uses shapes and other objects as leaves
    network: Network
    preprocessing: Preprocessing = PIXELS
    dropout_rate: float = 0.0
    dropout_granularity: Literal["unit", "channel"] = "unit"
    folded_batch_norms: bool = False
    precision: Precision = "float32"
    calibrations: Mapping[str, Calibration] = dataclasses.field(default_factory=dict)
    good_faces: GoodFaces | None = None
    learned_head: LearnedHead | None = None
    storage_dtype: str = "float32"
    provenance: Provenance = Provenance()  # noqa: RUF009 (immutable)

    def __repr__(self) -> str:
        count = sum(leaf.size for leaf in jax.tree.leaves(self.parameters) if hasattr(leaf, "size"))
        return f"Recognizer({self.network}, {count:,} parameters, {self.preprocessing})"

    @classmethod
    def from_functions(
        cls,
        trunk: Callable[[PyTree, Array], Array],
        project: Callable[[PyTree, Array], Array],
        parameters: PyTree,
        *,
        units: Callable[[PyTree, Array], Array] = as_they_are,
        preprocessing: Preprocessing = PIXELS,
        dropout_rate: float = 0.0,
    ) -> "Recognizer":
        """A recogniser from a custom network, given as two or three functions.

        Args:
            trunk: ``(parameters, images) -> features``, from preprocessed images (batch, height, width, 3) to features
                (batch, rows, columns, channels).
            project: ``(parameters, units) -> embedding`` (batch, dim), affine in the units.
            parameters: any pytree of arrays; each function gets all of it.
            units: ``(parameters, features) -> units`` (batch, ..., channels), on which SER-FIQ's dropout acts. By
                default the features themselves. It is required for a head with a BatchNorm or a pooling before its
                dropout.
            preprocessing: by default the trunk gets RGB pixels in 0..255.
            dropout_rate: the rate that the network was trained with.

        Example:
            >>> def trunk(parameters, images):
            ...     return jnp.tanh(parameters["gain"] * images[:, 8::16, 8::16])
            >>> def project(parameters, units):
            ...     return units.reshape(len(units), -1) @ parameters["matrix"]
            >>> matrix = jax.random.normal(jax.random.key(0), (7 * 7 * 3, 64))
            >>> parameters = {"gain": jnp.float32(0.01), "matrix": matrix}
            >>> own = pfiq_jax.Recognizer.from_functions(trunk, project, parameters)
            >>> own.embed(face).shape
            (64,)
        """
        return cls(parameters, Functions(trunk, project, units), preprocessing, dropout_rate)

    def forward(self, images: Images) -> Forward:
        """All stages of one forward pass, for one image or a batch.

        A ``Forward`` is returned as it is, so functions that start with ``recognizer.forward(images)`` take either.

        Raises:
            PfiqError: for images of another shape, dtype or range.

        Example:
            >>> seen = recognizer.forward(face)
            >>> seen.features.shape, seen.embedding.shape
            ((7, 7, 1024), (128,))
            >>> quality = pfiq_jax.face_quality(recognizer, seen)  # without another pass through the trunk
        """
        return images if isinstance(images, Forward) else _forward(self, images)  # type: ignore[arg-type]

    def features(self, images: Images) -> Float[Array, "*batch rows columns channels"]:
        """The features, which are the output of the trunk, for one image or a batch.

        For one image, their shape is (7, 7, channels) for most networks. For FaceNet it is (3, 3, 1792).

        Raises:
            PfiqError: for images of another shape, dtype or range.
        """
        return _features(self, images)

    def embed(self, images: Images) -> Float[Array, "*batch dim"]:
        """The embedding of one image or a batch, in float32, not normalised.

        Raises:
            PfiqError: for images of another shape, dtype or range.

        Example:
            >>> embedding, mirrored = recognizer.embed(face), recognizer.embed(face[:, ::-1])
            >>> cosine = embedding @ mirrored / (jnp.linalg.norm(embedding) * jnp.linalg.norm(mirrored))
            >>> round(float(cosine), 2)
            0.97
        """
        return _embed(self, images)

    def head(self, features: Float[Array, "*batch rows columns channels"]) -> Float[Array, "*batch dim"]:
        """Features of one image or a batch to the embedding: ``project(units(features))``."""
        batch = features.reshape(-1, *features.shape[-3:])
        embedding = self.project(self.network.units(self.parameters, batch))
        return embedding.reshape(*features.shape[:-3], *embedding.shape[1:])

    def project(self, units: Units) -> Float[Array, "batch dim"]:
        """The last, affine part of the head: units of a batch to the embedding, in float32."""
        return self.network.project(self.parameters, units)

    def with_precision(self, precision: Precision) -> "Recognizer":
        """This recogniser with a trunk that runs in another precision; the head stays in float32.

        In bfloat16 the trunk's weights and activations are rounded to bfloat16 while it runs; its BatchNorms compute in
        float32. ``parameters`` stay as they are, and so do the file that ``save`` writes and the dtype of gradients by
        parameters. bfloat16 takes about half of the memory. It is faster on GPUs and TPUs, and slower on CPUs. Quality
        changes little, but gradients by pixels change by much more (``benchmarks/results/precision.md``), so use it for
        scores only. See ``pfiq_jax/recognizers/precision.py`` for the precision of products.

        Raises:
            PfiqError: for another precision, and for a custom network, whose trunk cannot be separated from its head.
        """
        check_choice("precision", precision, get_args(Precision))
        if precision != "float32" and not isinstance(self.network, Architecture):
            raise PfiqError(
                "precision: bfloat16 is not supported for a custom network; cast the parameters in its trunk."
            )
        return dataclasses.replace(self, precision=precision)

    @property
    def parameters_to_run(self) -> PyTree:
        """The parameters in the dtypes that the network runs in: the first argument of its functions."""
        return with_bfloat16_trunk(self.parameters) if self.precision == "bfloat16" else self.parameters

    def trainable(self) -> "Recognizer":
        """A recogniser whose leaves are booleans: True for weights, False for BatchNorm statistics and fitted values.

        It is a mask for optimisers; ``trainable().parameters`` is the mask for the parameters alone. To keep the other
        leaves as they are, chain ``optax.masked(optax.set_to_zero(), mask)`` with the negated mask after the optimiser:
        ``optax.masked(optimizer, mask)`` alone adds their gradients, which makes the variances negative.
        """

        def is_weight(path: jax.tree_util.KeyPath, leaf: object) -> bool:
            return not (path and isinstance(path[-1], jax.tree_util.DictKey) and path[-1].key in STATISTICS)

        return dataclasses.replace(
            self,
            parameters=jax.tree_util.tree_map_with_path(is_weight, self.parameters),
            calibrations=jax.tree.map(lambda leaf: False, dict(self.calibrations)),
            good_faces=jax.tree.map(lambda leaf: False, self.good_faces),
            learned_head=jax.tree.map(lambda leaf: False, self.learned_head),
        )

    def calibrated(self, calibration: Calibration) -> "Recognizer":
        """This recogniser with a calibration, which replaces one of the same method."""
        return dataclasses.replace(self, calibrations={**self.calibrations, calibration.method: calibration})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a ``.safetensors`` file. The float32 values that ``load_recognizer`` reads from it are exactly equal.

        Raises:
            PfiqError: for a custom network, whose functions cannot be saved, for parameters that ``load_recognizer``
                would refuse, and for a file that cannot be written.
        """
        from pfiq_jax.recognizers.weights_file import save_recognizer  # which imports this module

        save_recognizer(self, path)


STATIC = ("network", "preprocessing", "dropout_rate", "dropout_granularity", "folded_batch_norms", "precision")
DESCRIPTIONS = ("storage_dtype", "provenance")
pytrees.register(
    Recognizer,
    leaves=("parameters", "calibrations", "good_faces", "learned_head"),
    static=STATIC,
    descriptions=DESCRIPTIONS,
)


@per_face
def _forward(recognizer: Recognizer, images: Array) -> Forward:
    network, parameters = recognizer.network, recognizer.parameters_to_run
    features = network.trunk(parameters, recognizer.preprocessing(images))
    units = network.units(parameters, features)
    return Forward(images, features, units, network.project(parameters, units))


@per_face
def _features(recognizer: Recognizer, images: Images) -> Float[Array, "batch rows columns channels"]:
    return recognizer.forward(images).features


@per_face
def _embed(recognizer: Recognizer, images: Images) -> Float[Array, "batch dim"]:
    return recognizer.forward(images).embedding
