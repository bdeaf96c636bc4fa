"""What every reader returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Layer:
    """An operation with parameters, in a file that holds a graph.

    Attributes:
        kind: a dense layer is "dense" whatever the operation is called; a BatchNorm is "norm".
        arrays: from the roles "kernel" and "bias"; "scale", "bias", "mean" and "var"; or "slope" to the names of the
            arrays. A convolution with a "bias" has its BatchNorm folded into it.
    """

    kind: Literal["conv", "norm", "prelu", "dense"]
    arrays: Mapping[str, str]


@dataclass(frozen=True)
class Source:
    """The arrays of a weights file under their own names, in the file's own layouts.

    All beside ``path`` and ``arrays`` is what the file states about the network, empty or None where it does not.

    Attributes:
        path: the file.
        arrays: by name; floats of any kind.
        epsilons: of the BatchNorms, by the name of their array of means.
        pixels: (mean, scale) where the network begins with (pixels - mean) * scale.
        dropout_rate: the network was trained with.
        layers: in the order in which the network runs them.
        companion: the second file of those formats that have two.
    """

    path: Path
    arrays: Mapping[str, np.ndarray]
    epsilons: Mapping[str, float] = field(default_factory=dict)
    pixels: tuple[float, float] | None = None
    dropout_rate: float | None = None
    layers: tuple[Layer, ...] = ()
    companion: Path | None = None
