"""Detectors and faces in programs that ``jax.export`` writes to files; see ``pfiq_jax.recognizers.serialization``."""

import json
from collections.abc import Sequence
from typing import Any

from jax import export

from pfiq_jax.detection.detector import DESCRIPTIONS, STATIC, Detector, fields_of, header_of
from pfiq_jax.detection.suppression import Faces
from pfiq_jax.pytrees import Descriptions


def register() -> None:
    """Registers the pytrees of this package with ``jax.export``."""
    export.register_namedtuple_serialization(Faces, serialized_name="pfiq_jax.Faces")
    export.register_pytree_node_serialization(
        Detector, serialized_name="pfiq_jax.Detector", serialize_auxdata=_write, deserialize_auxdata=_read
    )


def _write(auxiliary: tuple[Sequence[Any], Descriptions]) -> bytes:
    fixed, described = auxiliary
    fields = dict(zip((*STATIC, *DESCRIPTIONS), (*fixed, *described), strict=True))
    return json.dumps(header_of(Detector(None, **fields))).encode()


def _read(written: bytes) -> tuple[Sequence[Any], Descriptions]:
    fields = fields_of(written)
    return tuple(fields[name] for name in STATIC), Descriptions(fields[name] for name in DESCRIPTIONS)
