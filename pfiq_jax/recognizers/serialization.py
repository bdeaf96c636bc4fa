"""Recognisers and forward passes in programs that ``jax.export`` writes to files.

The arrays of a recogniser are arguments of an exported program. Its static fields are written as JSON, so reading a
program executes nothing from the file.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from jax import export

from pfiq_jax.calibration import Calibration
from pfiq_jax.good_faces import GoodFaces
from pfiq_jax.learned_head import LearnedHead
from pfiq_jax.pytrees import Descriptions
from pfiq_jax.recognizers.forward import Forward
from pfiq_jax.recognizers.header import fields_of, header_of
from pfiq_jax.recognizers.precision import Precision
from pfiq_jax.recognizers.recognizer import DESCRIPTIONS, STATIC, Recognizer


def register() -> None:
    """Registers the pytrees of this package with ``jax.export``."""
    export.register_namedtuple_serialization(Forward, serialized_name="pfiq_jax.Forward")
    for fitted in (Calibration, GoodFaces, LearnedHead):
        export.register_pytree_node_serialization(
            fitted,
            serialized_name=f"pfiq_jax.{fitted.__name__}",
            serialize_auxdata=lambda auxiliary: json.dumps(auxiliary).encode(),
            deserialize_auxdata=_read_fitted,
        )
    export.register_pytree_node_serialization(
        Recognizer,
        serialized_name="pfiq_jax.Recognizer",
        serialize_auxdata=_write_recognizer,
        deserialize_auxdata=_read_recognizer,
    )


def _read_fitted(written: bytes) -> tuple[Sequence[Any], Descriptions]:
    fixed, described = json.loads(written)
    return tuple(fixed), Descriptions(described)


def _write_recognizer(auxiliary: tuple[Sequence[Any], Descriptions]) -> bytes:
    fixed, described = auxiliary
    fields = dict(zip((*STATIC, *DESCRIPTIONS), (*fixed, *described), strict=True))
    return json.dumps([fields["precision"], header_of(Recognizer(None, **fields))]).encode()


def _read_recognizer(written: bytes) -> tuple[Sequence[Any], Descriptions]:
    precision, header = msgspec.json.decode(written, type=tuple[Precision, msgspec.Raw])
    fields = {**fields_of(bytes(header)), "precision": precision}
    return tuple(fields[name] for name in STATIC), Descriptions(fields[name] for name in DESCRIPTIONS)
