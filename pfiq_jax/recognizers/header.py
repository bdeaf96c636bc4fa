"""Everything of a recogniser that is not an array, as JSON: the header of weights files and of exported programs.

The classes below are its schema. Headers are untrusted, so every value has a type and a range. They are checked when a
header is read and before it is written.
"""

import dataclasses
import itertools
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from pfiq_jax.calibration import Calibration
from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.inception_resnet import InceptionResNetV1
from pfiq_jax.recognizers.iresnet import IResNet
from pfiq_jax.recognizers.mobilefacenet import MobileFaceNet
from pfiq_jax.recognizers.preprocessing import Preprocessing
from pfiq_jax.recognizers.provenance import Provenance
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.recognizers.sface import SFace

ARCHITECTURES: Mapping[str, type[Architecture]] = MappingProxyType(
    {
        "iresnet": IResNet,
        "sface": SFace,
        "mobilefacenet": MobileFaceNet,
        "inception_resnet_v1": InceptionResNetV1,
    }
)

Finite = Annotated[float, Meta(ge=-1e30, le=1e30)]
Length = Annotated[int, Meta(ge=1, le=2**16)]
Epsilon = Annotated[float, Meta(gt=0, lt=1)]
Side = Annotated[int, Meta(ge=75, le=1024)]  # for smaller sides, FaceNet's convolutions have no output
SIDES = range(97, 113)  # sides that the other trunks map to the 7x7 places that their heads require
Channels = tuple[Finite, Finite, Finite]
Point = tuple[Finite, Finite]
Text = Annotated[str, Meta(max_length=10_000)]
PERCENTILES = (0, 101)  # allowed numbers of percentiles
OPTIONS: Mapping[str, Any] = MappingProxyType(  # types of the options of architectures that are not bool, by name
    {"depth": Literal[18, 34, 50, 100, 200], "dim": Length, "epsilon": Epsilon, "head_epsilon": Epsilon}
)


class Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A part of a header. Unknown fields are refused."""


class PreprocessingHeader(Strict):
    """A ``Preprocessing``."""

    size: tuple[Side, Side]
    mean: Channels
    scale: Channels
    channel_order: Literal["RGB", "BGR"]
    template: tuple[Point, Point, Point, Point, Point] | None = None

    def __post_init__(self) -> None:
        if 0 in self.scale:
            raise ValueError("Expected a `scale` other than 0")


# A ``Provenance``. Older files lack some of its fields.
ProvenanceHeader = msgspec.defstruct(
    "ProvenanceHeader",
    [
        (field.name, tuple[Text, ...] if isinstance(field.default, tuple) else Text, field.default)
        for field in dataclasses.fields(Provenance)
    ],
    bases=(Strict,),
)


class CalibrationHeader(Strict):
    """A ``Calibration``."""

    method: Text
    alpha: Annotated[float, Meta(gt=0, le=1e30)]
    r: Finite
    percentiles: tuple[Finite, ...]
    reference: Text
    fmr: Annotated[float, Meta(ge=0, le=1)] | None = None
    threshold: Annotated[float, Meta(ge=-1, le=1)] | None = None
    failure: tuple[Finite, Finite] | None = None

    def __post_init__(self) -> None:
        known = self.percentiles
        if len(known) not in PERCENTILES:
            raise ValueError(f"Expected `percentiles` of length 0 or 101, got {len(known)}")
        if any(low > high for low, high in itertools.pairwise(known)):
            raise ValueError("Expected ascending `percentiles`")
        if known and not known[0] <= self.r <= known[-1]:
            raise ValueError(f"Expected `r` within the percentiles, got {self.r:g}")


class Header(Strict):
    """A recogniser without its arrays."""

    architecture: str
    options: dict[str, Any]  # their schema depends on the architecture
    preprocessing: PreprocessingHeader
    dropout_rate: Annotated[float, Meta(ge=0, lt=1)]
    dropout_granularity: Literal["unit", "channel"]
    folded_batch_norms: bool
    storage_dtype: Literal["float32", "float16", "bfloat16"]
    provenance: ProvenanceHeader  # type: ignore[valid-type]
    calibrations: tuple[CalibrationHeader, ...] = ()
    good_faces: Text | None = None  # description of the reference; its values are arrays
    learned_head: Text | None = None  # description of the faces it was fitted to; its values are arrays
    format_version: int = 1

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"Expected an `architecture` of this release, got {self.architecture[:40]!r}")
        size = self.preprocessing.size
        if self.architecture != "inception_resnet_v1" and not all(side in SIDES for side in size):
            raise ValueError(f"Expected a `size` of 112x112 for {self.architecture}, got {size[0]}x{size[1]}")
        methods = [calibration.method for calibration in self.calibrations]
        if len(set(methods)) < len(methods):
            raise ValueError("Expected one of the `calibrations` per method")


def header_of(recognizer: Recognizer) -> dict[str, Any]:
    """The static fields and the descriptions of a recogniser, as values of JSON.

    Raises:
        PfiqError: for a custom network, whose functions cannot be written, and for values that ``fields_of`` refuses.
    """
    network = recognizer.network
    names = {kind: name for name, kind in ARCHITECTURES.items()}
    if not isinstance(network, Architecture) or type(network) not in names:
        raise PfiqError("only the library's own architectures can be written; keep your parameters with your own code.")
    header = {
        "architecture": names[type(network)],
        "options": dataclasses.asdict(network),
        "preprocessing": dataclasses.asdict(recognizer.preprocessing),
        "dropout_rate": recognizer.dropout_rate,
        "dropout_granularity": recognizer.dropout_granularity,
        "folded_batch_norms": recognizer.folded_batch_norms,
        "storage_dtype": recognizer.storage_dtype,
        "provenance": dataclasses.asdict(recognizer.provenance),
        "calibrations": [dataclasses.asdict(each) for each in recognizer.calibrations.values()],
        "good_faces": recognizer.good_faces and recognizer.good_faces.reference,
        "learned_head": recognizer.learned_head and recognizer.learned_head.reference,
    }
    plain = json.loads(json.dumps(header, default=lambda number: np.asarray(number).tolist()))
    fields_of(plain)
    return plain


def fields_of(header: Mapping[str, Any] | bytes) -> dict[str, Any]:
    """The fields of a recogniser that ``header_of`` wrote, including calibrations.

    Of the reference of good faces and of the learned head, only the descriptions are returned.

    Args:
        header: the result of ``header_of``, or its JSON.

    Raises:
        PfiqError: for a header that does not describe a network of this release or has a value out of its range.
    """
    try:
        if isinstance(header, bytes):
            read = msgspec.json.decode(header, type=Header)
        else:
            read = msgspec.convert(header, Header)
        kind = ARCHITECTURES[read.architecture]
        options = msgspec.to_builtins(msgspec.convert(read.options, _options_of(kind)))
    except (msgspec.MsgspecError, RecursionError) as error:
        reason = str(error).partition("\n")[0][:150]
        raise PfiqError(f"its header does not describe a network of this release ({reason})") from error
    template = read.preprocessing.template
    preprocessing = {**msgspec.structs.asdict(read.preprocessing), "template": template and tuple(template)}
    calibrations = [_calibration(calibration) for calibration in read.calibrations]
    return {
        "network": kind(**options),
        "preprocessing": Preprocessing(**preprocessing),
        "dropout_rate": read.dropout_rate,
        "dropout_granularity": read.dropout_granularity,
        "folded_batch_norms": read.folded_batch_norms,
        "storage_dtype": read.storage_dtype,
        "provenance": Provenance(**msgspec.structs.asdict(read.provenance)),
        "calibrations": {calibration.method: calibration for calibration in calibrations},
        "good_faces": read.good_faces,
        "learned_head": read.learned_head,
    }


def _calibration(header: CalibrationHeader) -> Calibration:
    fields = msgspec.structs.asdict(header)
    numbers = {
        name: np.asarray(value, np.float32) for name, value in fields.items() if isinstance(value, tuple | float)
    }
    return Calibration(**{**fields, **numbers})


def _options_of(kind: type[Architecture]) -> type[msgspec.Struct]:
    """The schema of an architecture's options, all of which may be omitted."""
    fields = [(field.name, OPTIONS.get(field.name, bool), field.default) for field in dataclasses.fields(kind)]
    return msgspec.defstruct(kind.__name__, fields, forbid_unknown_fields=True)
