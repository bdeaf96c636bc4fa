"""The result of a runtime."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Outputs:
    """What a source network computes for a batch of faces.

    Attributes:
        embeddings: (batch, dim) float32; None if the source returns quality scores only.
        qualities: (batch,) float32, the scores of a quality head; None without one.
        layers: the outputs (batch, ...) of the layers with parameters, by the name of each layer's first array; empty
            unless they were requested.
        dtype: the narrowest dtype in which the runtime computes: "float32", "float16" or "bfloat16".
    """

    embeddings: np.ndarray | None
    qualities: np.ndarray | None = None
    layers: Mapping[str, np.ndarray] = field(default_factory=dict)
    dtype: str = "float32"
