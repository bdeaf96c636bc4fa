"""What every mapping is: a table of names and layouts."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from einops import EinopsError

from pfiq_jax.recognizers import Architecture, Preprocessing
from weights_convert.readers.source import Source

Layout = Callable[[np.ndarray], np.ndarray]


def length(source: Source, vector: str, default: int) -> int:
    """The number of entries of a source's vector; the default, where it is missing or empty and will be reported."""
    return source.arrays[vector].size if vector in source.arrays and source.arrays[vector].size else default


@dataclass(frozen=True)
class Rule:
    """Where an array goes and how its axes are turned.

    Attributes:
        source: regular expression of a whole source name.
        target: template of the library's name for it, as ``weights_file.named_leaves`` gives it.
        layout: from the source's axes to the library's.
    """

    source: str
    target: str
    layout: Layout


@dataclass(frozen=True)
class Mapping:
    """From the arrays of a source to the parameters of an architecture.

    Attributes:
        architectures: the names that it serves.
        rules: at most one fits a source name.
        ignored: regular expressions of the source arrays that are no part of the network.
        identify: the nearest of ``architectures``, from names alone.
        build: (architecture's name, source, BatchNorm epsilon or None for the source's own) -> network.
        preprocessing: what the network wants done to RGB pixels in 0..255.
        dropout_rate: the rate the network was trained with.
    """

    architectures: tuple[str, ...]
    rules: tuple[Rule, ...]
    ignored: tuple[str, ...]
    identify: Callable[[Collection[str]], str]
    build: Callable[[str, Source, float | None], Architecture]
    preprocessing: Callable[[Source], Preprocessing]
    dropout_rate: float

    def fits(self, name: str) -> bool:
        """Whether a source array is part of the network, going by its name."""
        return any(re.fullmatch(rule.source, name) for rule in self.rules)

    def translate(self, source: Source) -> dict[str, np.ndarray]:
        """The arrays under the library's names and in its layouts; one that fits no rule keeps its own name.

        So ``weights_file.fill`` sees, and reports, all that is wrong with a file at once.
        """
        arrays: dict[str, np.ndarray] = {}
        for name, array in source.arrays.items():
            if any(re.fullmatch(pattern, name) for pattern in self.ignored):
                continue
            target, array = self._apply(name, array)
            arrays[target if target not in arrays else f"{name}, a second {target},"] = array
        return arrays

    def _apply(self, name: str, array: np.ndarray) -> tuple[str, np.ndarray]:
        for rule in self.rules:
            if match := re.fullmatch(rule.source, name):
                try:
                    return match.expand(rule.target), rule.layout(array)
                except EinopsError:  # a shape that cannot be turned is reported as it is
                    return match.expand(rule.target), array
        return name, array
