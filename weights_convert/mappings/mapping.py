"""What every mapping is: a table of a network's layers under the names that one kind of source gives them."""

import re
from collections import abc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from pfiq_jax.recognizers import ARCFACE_TORCH, Architecture, Preprocessing
from weights_convert.mappings.conventions import NORM, TORCH, Convention, Kind, Layout, same
from weights_convert.source import Source

COUNTERS = r"(.*\.)?num_batches_tracked"  # of training steps


@dataclass(frozen=True)
class Part:
    """A layer with parameters.

    Attributes:
        source: its name in the source; several where sources differ; none for a BatchNorm that they do without.
        target: its name in the library, as ``trunk.stem.conv``.
        kind: what its arrays are.
        defaults: what those leaves are that a source may lack.
    """

    source: str | tuple[str, ...]
    target: str
    kind: Kind
    defaults: abc.Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Leaf:
    """Where a parameter of the library comes from: an array of the source, or a constant.

    A variance without a source is 1 less its epsilon, whatever the constant: that of an identity.
    """

    source: str | None = None
    layout: Layout = same
    constant: float = 0.0


@dataclass(frozen=True)
class Mapping:
    """From the arrays of one kind of source to the parameters of a family of networks.

    Attributes:
        networks: by the names that people call them.
        parts: (network) -> its layers, in the order in which the source runs them, with the deepest branch first
            where branches are added.
        convention: of the framework that names the arrays.
        ignored: regular expressions of the source arrays that are no part of the network.
        prefix: of all names in the checkpoints as published; tells networks apart that are named alike.
        preprocessing: what the network wants done to RGB pixels in 0..255, if the source does not state it.
        dropout_rate: the network was trained with, if the source does not state it.
        dropout_granularity: what the network's dropout dropped.
        epsilons: from the network's fields to regular expressions of the BatchNorms that have them.
    """

    networks: abc.Mapping[str, Architecture]
    parts: Callable[..., Iterable[Part]]
    convention: Convention = TORCH
    ignored: tuple[str, ...] = ()
    prefix: str = ""
    preprocessing: Preprocessing = ARCFACE_TORCH
    dropout_rate: float = 0.0
    dropout_granularity: Literal["unit", "channel"] = "unit"
    epsilons: abc.Mapping[str, str] = field(default_factory=lambda: {"epsilon": ".*"})

    def ignores(self, name: str) -> bool:
        """Whether a source array is known to be no part of the network."""
        return any(re.fullmatch(pattern, name) for pattern in (COUNTERS, *self.ignored))


@dataclass(frozen=True)
class Fit:
    """A mapping laid on a source.

    Attributes:
        name: of the network.
        mapping: the table.
        leaves: by the library's names.
        left_over: arrays of the source that the mapping does not know.
        prefix: that the source puts before the table's names.
        folded: whether BatchNorms of the source are folded into the layers before them.
        rivals: other networks that fit alike, but for what was published about them.
    """

    name: str
    mapping: Mapping
    leaves: abc.Mapping[str, Leaf]
    left_over: tuple[str, ...]
    prefix: str = ""
    folded: bool = False
    rivals: tuple[str, ...] = ()

    def likeness(self, source: Source) -> tuple[float, bool, bool]:
        """How near it is, in 0..1; then whether what the source states, and its prefix, are the published ones."""
        wanted = self.sources()
        found = sum(name in source.arrays for name in wanted)
        network, published = self.mapping.networks[self.name], self.mapping.preprocessing
        agrees = {getattr(network, field) for field in self.mapping.epsilons}.issuperset(source.epsilons.values())
        agrees &= source.pixels in (None, (published.mean[0], published.scale[0]))
        return found / (len(wanted) + len(self.left_over)), agrees, self.prefix == self.mapping.prefix

    def sources(self) -> dict[str, str]:
        """From the source's names, of those arrays too that it lacks, to the library's."""
        return {leaf.source: name for name, leaf in self.leaves.items() if leaf.source is not None}


def fit_names(mapping: Mapping, name: str, source: Source) -> Fit:
    """Lays a mapping on a source by the names of its arrays, whatever prefix they share."""
    parts = tuple(mapping.parts(mapping.networks[name]))
    prefix = _shared_prefix(mapping, parts, source)
    leaves: dict[str, Leaf] = {}
    for part in parts:
        if not part.source:
            leaves |= _identity(part)
            continue
        defaults = {**(mapping.convention.norm_defaults if part.kind is NORM else {}), **part.defaults}
        for leaf, layout in mapping.convention.layouts(part.kind).items():
            spellings = [prefix + spelling for spelling in _spellings(mapping, part, leaf)]
            found = next((spelling for spelling in spellings if spelling in source.arrays), None)
            if found is None and leaf in defaults:
                leaves[f"{part.target}.{leaf}"] = Leaf(constant=defaults[leaf])
            else:
                leaves[f"{part.target}.{leaf}"] = Leaf(found or spellings[0], layout)
    return Fit(name, mapping, leaves, _left_over(mapping, leaves, source, prefix), prefix)


def fit_order(mapping: Mapping, name: str, source: Source) -> Fit | None:
    """Lays a mapping on a source by the order of its layers; None where their kinds or their number differ.

    Exporters fold a BatchNorm into the layer before it, which gets a bias, and give new names to what they change. A
    BatchNorm that is not there becomes the identity, with that bias.
    """
    if mapping.convention.channels_last:  # no graph's
        return None
    layers = list(reversed(source.layers))
    leaves: dict[str, Leaf] = {}
    spare_bias = None  # of a convolution that has none in the library
    folded = False
    for part in mapping.parts(mapping.networks[name]):
        folded_away = part.kind is NORM and (spare_bias is not None or not part.source)
        there = bool(layers and not folded_away and layers[-1].kind == part.kind.operation)
        arrays = dict(layers.pop().arrays) if there else {}
        if part.kind is NORM and not there:
            leaves |= _identity(part, Leaf(spare_bias) if spare_bias else Leaf())
            folded = folded or bool(part.source)
        elif there and spare_bias is None:
            for leaf, layout in part.kind.channels_first.items():
                leaves[f"{part.target}.{leaf}"] = Leaf(arrays.pop(leaf, None), layout)
        else:
            return None
        spare_bias = arrays.get("bias")
    if layers or spare_bias is not None:
        return None
    return Fit(name, mapping, leaves, _left_over(mapping, leaves, source), folded=folded)


def _identity(part: Part, bias: Leaf = Leaf()) -> dict[str, Leaf]:
    constants = {"scale": Leaf(constant=1.0), "bias": bias, "mean": Leaf(), "var": Leaf()}
    return {f"{part.target}.{leaf}": constant for leaf, constant in constants.items()}


def _spellings(mapping: Mapping, part: Part, leaf: str) -> list[str]:
    layers = (part.source,) if isinstance(part.source, str) else part.source
    return [mapping.convention.names[part.kind.operation][leaf].format(layer) for layer in layers]


def _shared_prefix(mapping: Mapping, parts: tuple[Part, ...], source: Source) -> str:
    """What stands before the names of the table's layers in most of the source's names, as ``backbone.``."""

    def names_of(parts: Iterable[Part]) -> set[str]:
        return {name for part in parts for leaf in part.kind.channels_first for name in _spellings(mapping, part, leaf)}

    probes = names_of((parts[0], parts[-1]))
    prefixes = {name.removesuffix(probe) for name in source.arrays for probe in probes if name.endswith(probe)}
    candidates = ["", *sorted(prefix for prefix in prefixes if prefix.endswith("."))]
    wanted = names_of(parts)
    return max(candidates, key=lambda prefix: sum(prefix + name in source.arrays for name in wanted))


def _left_over(mapping: Mapping, leaves: abc.Mapping[str, Leaf], source: Source, prefix: str = "") -> tuple[str, ...]:
    used = {leaf.source for leaf in leaves.values()}
    unused = [name for name in source.arrays if name not in used]
    return tuple(name for name in unused if not (mapping.ignores(name) or mapping.ignores(name.removeprefix(prefix))))
