"""What every reader returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Source:
    """The arrays of a weights file under their own names, in the file's own layouts.

    Attributes:
        path: the file.
        arrays: by name; float32 where the file has floats of any kind.
        attributes: numbers that the file states beside its arrays, as ``bn1.epsilon``; empty for most formats.
    """

    path: Path
    arrays: Mapping[str, np.ndarray]
    attributes: Mapping[str, float] = field(default_factory=dict)
