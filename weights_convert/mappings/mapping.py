"""A mapping: a table of a network's layers with the names that one kind of source gives them."""

import functools
import re
from collections import abc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from pfiq_jax.recognizers import ARCFACE_TORCH, Preprocessing
from pfiq_jax.recognizers.modules import Modules
from weights_convert.mappings.conventions import TORCH, Convention
from weights_convert.mappings.layer_kinds import NORM, Kind, Layout, same
from weights_convert.source import Source

COUNTERS = r"(.*\.)?(num_batches_tracked|n_averaged)"  # what a BatchNorm or an average of weights has counted


@dataclass(frozen=True)
class Part:
    """A layer with parameters.

    Attributes:
        source: name of the layer in the source; several alternatives if sources differ; an empty tuple for a BatchNorm
            that the source does not have.
        target: name of the layer in the library, such as ``trunk.stem.conv``.
        kind: the kind of layer, which determines its arrays.
        defaults: values of the parameters that a source may omit.
    """

    source: str | tuple[str, ...]
    target: str
    kind: Kind
    defaults: abc.Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Leaf:
    """The origin of a parameter: an array of the source, or a constant.

    A missing variance becomes ``1 - epsilon`` whatever the constant, so that the BatchNorm is the identity.

    Attributes:
        source: name of the source's array; None for a constant.
        layout: function from the source's array to the parameter.
        constant: value of every entry if there is no array.
    """

    source: str | None = None
    layout: Layout = same
    constant: float = 0.0


@dataclass(frozen=True, eq=False)
class Mapping:
    """Maps the arrays of one kind of source to the parameters of a family of networks.

    Attributes:
        networks: the architectures, by the names under which the networks were published.
        parts: function from an architecture to its layers, in the order in which the source runs them. Where branches
            are added, the deepest one comes first.
        convention: names and layouts of the framework that saved the arrays.
        ignored: regular expressions of the source's arrays that are not part of the network.
        prefix: prefix of all names in the published checkpoints. It distinguishes networks with equal names.
        preprocessing: the published preprocessing of RGB pixels in 0..255, used if the source does not state it.
        dropout_rate: the published dropout rate, used if the source does not state it.
        dropout_granularity: whether the network's dropout dropped single units or whole channels.
        epsilons: maps the architecture's fields to regular expressions of the BatchNorms that use them as epsilon.
    """

    networks: abc.Mapping[str, Modules]
    parts: Callable[..., Iterable[Part]]
    convention: Convention = TORCH
    ignored: tuple[str, ...] = ()
    prefix: str = ""
    preprocessing: Preprocessing = ARCFACE_TORCH
    dropout_rate: float = 0.0
    dropout_granularity: Literal["unit", "channel"] = "unit"
    epsilons: abc.Mapping[str, str] = field(default_factory=lambda: {"epsilon": ".*"})

    def ignores(self, name: str) -> bool:
        """Whether an array of the source is known not to be part of the network."""
        return any(re.fullmatch(pattern, name) for pattern in (COUNTERS, *self.ignored))


class Match(NamedTuple):
    """How well a mapping matches a source; of two matches the greater one is better.

    Attributes:
        similarity: number of arrays in common, divided by the number of arrays in either; 1 for a complete match.
        agrees: whether the epsilons and the preprocessing that the source states are those of the network.
        has_prefix: whether the names have the prefix of the published checkpoints.
    """

    similarity: float
    agrees: bool
    has_prefix: bool


@dataclass(frozen=True)
class Fit:
    """A mapping applied to a source.

    Attributes:
        name: name of the network.
        mapping: the mapping.
        leaves: origin of every parameter, by its name in the library.
        left_over: names of the source's arrays that the mapping does not use.
        prefix: prefix of the table's names in this source.
        folded_batch_norms: whether BatchNorms of the source are folded into the previous layers.
        other_prefixes: prefixes of complete copies of the network, such as ``model_ema.``, which are not used.
        also_fits: other networks whose names and shapes match equally well.
    """

    name: str
    mapping: Mapping
    leaves: abc.Mapping[str, Leaf]
    left_over: tuple[str, ...]
    prefix: str = ""
    other_prefixes: tuple[str, ...] = ()
    folded_batch_norms: bool = False
    also_fits: tuple[str, ...] = ()

    def match(self, source: Source) -> Match:
        """How well the mapping matches the source."""
        wanted = self.sources()
        found = sum(name in source.arrays for name in wanted)
        network, published = self.mapping.networks[self.name], self.mapping.preprocessing
        agrees = {getattr(network, field) for field in self.mapping.epsilons}.issuperset(source.epsilons.values())
        agrees &= source.pixels in (None, (published.mean[0], published.scale[0]))
        return Match(found / (len(wanted) + len(self.left_over)), agrees, self.prefix == self.mapping.prefix)

    def sources(self) -> dict[str, str]:
        """Maps the source's names to the library's, including arrays that are missing from the source."""
        return {leaf.source: name for name, leaf in self.leaves.items() if leaf.source is not None}


SpelledPart: TypeAlias = tuple[Part, abc.Mapping[str, list[str]]]
"""A layer, and how a source may spell the names of its arrays, without a prefix."""


def fit_names(mapping: Mapping, name: str, source: Source) -> Fit:
    """Applies a mapping to a source by the names of the arrays, which may share any prefix."""
    parts = _spelled_parts(mapping, name)
    prefix, *others = _shared_prefixes(mapping, parts, source)
    leaves: dict[str, Leaf] = {}
    for part, spellings_of in parts:
        if not part.source:
            leaves |= _identity(part)
            continue
        defaults = {**(mapping.convention.norm_defaults if part.kind is NORM else {}), **part.defaults}
        for leaf, layout in mapping.convention.layouts(part.kind).items():
            spellings = [prefix + spelling for spelling in spellings_of[leaf]]
            found = next((spelling for spelling in spellings if spelling in source.arrays), None)
            if found is None and leaf in defaults:
                leaves[f"{part.target}.{leaf}"] = Leaf(constant=defaults[leaf])
            else:
                leaves[f"{part.target}.{leaf}"] = Leaf(found or spellings[0], layout)
    return Fit(name, mapping, leaves, _left_over(mapping, leaves, source, prefix, *others), prefix, tuple(others))


def fit_order(mapping: Mapping, name: str, source: Source) -> Fit | None:
    """Applies a mapping to a source by the order of the layers; None if their kinds or their number differ.

    Exporters fold a BatchNorm into the previous layer, which gets a bias, and rename the arrays that they change. A
    missing BatchNorm becomes the identity with that bias.
    """
    if mapping.convention.channels_last:  # formats that contain a graph are all channels first
        return None
    layers = list(reversed(source.layers))
    leaves: dict[str, Leaf] = {}
    spare_bias = None  # bias of a convolution that has no bias in the library
    folded_batch_norms = False
    for part in mapping.parts(mapping.networks[name]):
        is_folded = part.kind is NORM and (spare_bias is not None or not part.source)
        there = bool(layers and not is_folded and layers[-1].kind == part.kind.operation)
        arrays = dict(layers.pop().arrays) if there else {}
        if part.kind is NORM and not there:
            leaves |= _identity(part, Leaf(spare_bias) if spare_bias else Leaf())
            folded_batch_norms = folded_batch_norms or bool(part.source)
        elif there and spare_bias is None:
            for leaf, layout in part.kind.channels_first.items():
                leaves[f"{part.target}.{leaf}"] = Leaf(arrays.pop(leaf, None), layout)
        else:
            return None
        spare_bias = arrays.get("bias")
    if layers or spare_bias is not None:
        return None
    return Fit(name, mapping, leaves, _left_over(mapping, leaves, source), folded_batch_norms=folded_batch_norms)


def _identity(part: Part, bias: Leaf = Leaf()) -> dict[str, Leaf]:
    constants = {"scale": Leaf(constant=1.0), "bias": bias, "mean": Leaf(), "var": Leaf()}
    return {f"{part.target}.{leaf}": constant for leaf, constant in constants.items()}


@functools.cache
def _spelled_parts(mapping: Mapping, name: str) -> tuple[SpelledPart, ...]:
    """All layers of a network with the names of their arrays. Cached, since making them takes longer than matching."""
    return tuple((part, _spellings(mapping, part)) for part in mapping.parts(mapping.networks[name]))


def _spellings(mapping: Mapping, part: Part) -> dict[str, list[str]]:
    layers = (part.source,) if isinstance(part.source, str) else part.source
    names = mapping.convention.names[part.kind.operation]
    return {leaf: [names[leaf].format(layer) for layer in layers] for leaf in part.kind.channels_first}


def _shared_prefixes(mapping: Mapping, parts: tuple[SpelledPart, ...], source: Source) -> list[str]:
    """The prefixes that most of the source's names put before the names of the table, such as ``backbone.``.

    There are several if the source holds several copies of the network. The published prefix comes first, then the
    shortest.
    """

    def names_of(parts: Iterable[SpelledPart]) -> set[str]:
        return {name for _, spellings in parts for names in spellings.values() for name in names}

    probes = names_of((parts[0], parts[-1]))
    prefixes = {name.removesuffix(probe) for name in source.arrays for probe in probes if name.endswith(probe)}
    candidates = {"", *(prefix for prefix in prefixes if prefix.endswith("."))}
    wanted = names_of(parts)
    found = {prefix: sum(prefix + name in source.arrays for name in wanted) for prefix in candidates}
    best = [prefix for prefix in candidates if found[prefix] == max(found.values())]
    return sorted(
        best if max(found.values()) else [""], key=lambda prefix: (prefix != mapping.prefix, len(prefix), prefix)
    )


def _left_over(
    mapping: Mapping, leaves: abc.Mapping[str, Leaf], source: Source, prefix: str = "", *others: str
) -> tuple[str, ...]:
    """The arrays that are neither used, nor known not to be part of the network, nor the same of another copy."""
    used = {leaf.source for leaf in leaves.values() if leaf.source is not None}
    copies = {other + name.removeprefix(prefix) for other in others for name in used}
    unused = [name for name in source.arrays if name not in used and name not in copies and not _counts(source, name)]
    return tuple(
        name for name in unused if not any(mapping.ignores(name.removeprefix(each)) for each in ("", prefix, *others))
    )


def _counts(source: Source, name: str) -> bool:
    """Whether an array is a single integer, which is a counter and not a weight."""
    array = source.arrays[name]
    return array.size == 1 and array.dtype.kind in "biu"
