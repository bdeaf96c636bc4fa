"""One module per family of networks, with tables of the names of its layers. Mappings do not depend on file formats.

To add a network, add a module with a table of ``Part`` and one name to ``MAPPINGS``. The names and layouts that a
framework uses for the arrays of a layer are defined once, in ``conventions``.
"""

import dataclasses
from collections.abc import Iterable

from pfiq_jax.errors import PfiqError
from weights_convert.mappings import adaface, facenet, iresnet, mobilefacenet, sface, yunet
from weights_convert.mappings.mapping import Fit, Mapping, Match, fit_names, fit_order
from weights_convert.source import Source

__all__ = ["MAPPINGS", "Fit", "Mapping", "choose"]

MAPPINGS = (  # of several equally good matches, the first is chosen
    iresnet.ARCFACE,
    iresnet.MAGFACE,
    iresnet.CR_FIQA,
    iresnet.LRESNET,
    iresnet.LRESNET_MMDNN,
    iresnet.LRESNET_KERAS,
    adaface.ADAFACE,
    adaface.IR_SE,
    adaface.EVOLVE,
    mobilefacenet.MOBILEFACENET,
    sface.SFACE,
    facenet.FACENET,
    yunet.YUNET,
)


def choose(source: Source, network: str | None = None) -> Fit:
    """Finds the mapping and the network that match a source best.

    Arrays are identified by their names. If an exporter has renamed them, they are identified by the order of layers.

    Args:
        source: the contents of a weights file.
        network: name of a network; only this one is considered then.

    Raises:
        PfiqError: if ``network`` is not a known name, or if the source has no array in common with any network.
    """
    known = dict.fromkeys(name for mapping in MAPPINGS for name in mapping.networks)
    if network not in (None, *known):
        raise PfiqError(f"{network!r} is not a known network; choose one of {families(known)}.")
    candidates = [(m, name) for m in MAPPINGS for name in m.networks if network in (None, name)]
    by_names = [fit_names(*candidate, source) for candidate in candidates]
    matches = [fit.match(source) for fit in by_names]
    highest = max(match.similarity for match in matches)
    if highest < 1 and source.layers:
        by_order = [fit_order(*candidate, source) for candidate in candidates]
        in_order = [(match, fit) for match, fit in zip(matches, by_order, strict=True) if fit is not None]
        if in_order:
            return _best(in_order)
    if highest == 0:
        some = ", ".join(name[:40] for name in [*source.arrays][:2])
        kinds = ", ".join(dict.fromkeys(name.rstrip("0123456789") for name in known))
        raise PfiqError(
            f"{source.path}: none of its {len(source.arrays)} arrays ({some}, "
            f"...) is part of {network or 'a known network'}; give weights of {network or kinds}."
        )
    return _best([(match, fit) for match, fit in zip(matches, by_names, strict=True) if match.similarity == highest])


def families(names: Iterable[str]) -> str:
    """Names of networks, in which those that differ in their last number only are joined, such as ``iresnet18/34``."""
    numbers: dict[str, list[str]] = {}
    for name in names:
        family = name.rstrip("0123456789")
        numbers.setdefault(family, []).append(name.removeprefix(family))
    return ", ".join(f"{family}{'/'.join(found)}" for family, found in numbers.items())


def _best(fits: list[tuple[Match, Fit]]) -> Fit:
    """The first of the best matches, with the names of the others."""
    _, best = max(fits, key=lambda pair: pair[0])
    others = dict.fromkeys(fit.name for _, fit in fits if fit.name != best.name)
    return dataclasses.replace(best, also_fits=tuple(others))
