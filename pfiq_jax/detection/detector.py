"""The detector: photographs -> raw outputs, as one immutable pytree, and its weights file."""

import dataclasses
import os
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import msgspec
from jaxtyping import Array, Float, Int, PyTree
from msgspec import Meta

from pfiq_jax import pytrees
from pfiq_jax.detection.yunet import RawOutputs, YuNet
from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.header import ProvenanceHeader, Strict
from pfiq_jax.recognizers.provenance import Provenance
from pfiq_jax.recognizers.weights_file import fill, parameters_to_write, read_weights, write_weights


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Detector:
    """A face detection network as an immutable pytree, whose leaves are the parameters.

    ``storage_dtype`` and ``provenance`` are descriptions: they are not part of any jit key.

    Attributes:
        parameters: nested dictionaries of arrays with string keys; the keys of lists have two digits ("00", "01").
        network: the architecture.
        storage_dtype: the dtype that ``save`` uses for every array that it represents exactly.
        provenance: where the weights come from.
    """

    parameters: PyTree  # not PyTree[Array]: JAX also puts shapes and other stand-ins in the place of leaves
    network: YuNet = YuNet()  # noqa: RUF009 (immutable)
    storage_dtype: str = "float32"
    provenance: Provenance = Provenance()  # noqa: RUF009 (immutable)

    def __repr__(self) -> str:
        count = sum(leaf.size for leaf in jax.tree.leaves(self.parameters) if hasattr(leaf, "size"))
        return f"Detector({self.network}, {count:,} parameters)"

    def outputs(
        self, images: Float[Array, "batch height width 3"], sizes: Int[Array, "batch 2"] | None = None
    ) -> RawOutputs:
        """The raw outputs of the network; see ``YuNet.outputs``."""
        return _outputs(self, images, sizes)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a ``.safetensors`` file, from which ``load_detector`` reads float32 values that are equal to the bit.

        Raises:
            PfiqError: for parameters that ``load_detector`` would refuse, and for a file that cannot be written.
        """
        write_weights(path, header_of(self), parameters_to_write(path, self.parameters, self.storage_dtype))


STATIC = ("network",)
DESCRIPTIONS = ("storage_dtype", "provenance")
pytrees.register(Detector, leaves=("parameters",), static=STATIC, descriptions=DESCRIPTIONS)


@jax.jit
def _outputs(detector: Detector, images: Array, sizes: Array | None) -> RawOutputs:
    return detector.network.outputs(detector.parameters, images, sizes)


class Header(Strict):
    """A detector without its arrays."""

    kind: Literal["detector"]
    architecture: Literal["yunet"]
    storage_dtype: Literal["float32", "float16", "bfloat16"]
    provenance: ProvenanceHeader  # type: ignore[valid-type]
    format_version: Annotated[int, Meta(ge=1)] = 1


def header_of(detector: Detector) -> dict[str, Any]:
    """The static fields and the descriptions of a detector, in types that JSON can represent."""
    return {
        "kind": "detector",
        "architecture": "yunet",
        "storage_dtype": detector.storage_dtype,
        "provenance": dataclasses.asdict(detector.provenance),
    }


def fields_of(header: bytes) -> dict[str, Any]:
    """The fields of a detector that ``header_of`` wrote.

    Raises:
        PfiqError: for a header that does not describe a detector of this release.
    """
    try:
        read = msgspec.json.decode(header, type=Header)
    except (msgspec.MsgspecError, RecursionError) as error:
        reason = str(error).partition("\n")[0][:150]
        raise PfiqError(f"its header does not describe a detector of this release ({reason})") from error
    return {
        "network": YuNet(),
        "storage_dtype": read.storage_dtype,
        "provenance": Provenance(**msgspec.structs.asdict(read.provenance)),
    }


def load_detector(source: str | os.PathLike[str] | None = None) -> Detector:
    """A detector from a converted ``.safetensors`` file; without a file, the bundled YuNet.

    Args:
        source: a file that ``weights-convert`` or ``Detector.save`` wrote.

    Raises:
        PfiqError: for a file that is missing, truncated or of another format, that holds a recogniser, or whose arrays
            are missing, left over, misshapen or not finite.

    Example:
        >>> pfiq_jax.load_detector()
        Detector(YuNet(), 53,104 parameters)
    """
    path = Path(source) if source is not None else Path(str(resources.files("pfiq_jax") / "bundled/yunet.safetensors"))
    header, arrays = read_weights(path, "detector")
    try:
        fields = fields_of(header)
    except PfiqError as error:
        raise PfiqError(f"{path}: {error}; convert the source weights again with `weights-convert convert`.") from error
    return Detector(fill(fields["network"], arrays, arrays.__getitem__, path), **fields)
