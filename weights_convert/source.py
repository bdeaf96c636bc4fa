"""The contents of a weights file: what every reader returns and every mapping takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Layer:
    """An operation with parameters, from a file that contains a graph.

    Attributes:
        kind: the kind of operation; a BatchNorm is "norm".
        arrays: maps roles to the names of the arrays. The roles are "kernel" and "bias" for "conv" and "dense";
            "scale", "bias", "mean" and "var" for "norm"; "slope" for "prelu". A convolution with a "bias" has its
            BatchNorm folded into it.
    """

    kind: Literal["conv", "norm", "prelu", "dense"]
    arrays: Mapping[str, str]


@dataclass(frozen=True)
class Source:
    """The arrays of a weights file under the file's own names and in its own layouts, and the metadata it states.

    Attributes:
        path: the file.
        arrays: the arrays by name, of any floating-point type.
        epsilons: epsilons of the BatchNorms, by the name of their array of means; empty if the file does not state any.
        pixels: (mean, scale) if the network begins with ``(pixels - mean) * scale``, otherwise None.
        dropout_rate: the dropout rate that the network was trained with; None if the file does not state it.
        layers: the layers in the order in which the network runs them; empty if the file does not contain a graph.
        companions: the other files, for formats that consist of several.
        file_format: name of the format, as in ``readers.READERS``.
        entry: place of the state dict in a checkpoint, such as ``model``; empty if the file has nothing else.
        other_entries: places of other state dicts of a similar size in the same checkpoint.
    """

    path: Path
    arrays: Mapping[str, np.ndarray]
    epsilons: Mapping[str, float] = field(default_factory=dict)
    pixels: tuple[float, float] | None = None
    dropout_rate: float | None = None
    layers: tuple[Layer, ...] = ()
    companions: tuple[Path, ...] = ()
    file_format: str = ""
    entry: str = ""
    other_entries: tuple[str, ...] = ()
