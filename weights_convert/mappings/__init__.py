"""One module a family of networks: tables of the names that sources give its layers. A mapping knows no file format.

A new network is one module with a table of ``Part`` and one name in ``MAPPINGS``. How a framework names and lays out
the arrays of a layer stands once, in ``conventions``.
"""

import dataclasses

from pfiq_jax.errors import PfiqError
from weights_convert.mappings import adaface, facenet, iresnet, mobilefacenet, sface
from weights_convert.mappings.mapping import Fit, Mapping, fit_names, fit_order
from weights_convert.source import Source

__all__ = ["MAPPINGS", "Fit", "Mapping", "choose"]

MAPPINGS = (  # of two that fit alike, the first is chosen
    iresnet.ARCFACE,
    iresnet.MAGFACE,
    iresnet.CR_FIQA,
    iresnet.LRESNET,
    iresnet.LRESNET_MMDNN,
    iresnet.LRESNET_KERAS,
    adaface.ADAFACE,
    adaface.IR_SE,
    mobilefacenet.MOBILEFACENET,
    sface.SFACE,
    facenet.FACENET,
)


def choose(source: Source, network: str | None = None) -> Fit:
    """The mapping that is nearest to a source, among all or those of one network.

    Arrays are told by their names; where an exporter gave new ones, by the order of the layers.

    Raises:
        PfiqError: for an unknown name of a network, and for a source that resembles none.
    """
    known = dict.fromkeys(name for mapping in MAPPINGS for name in mapping.networks)
    if network not in (None, *known):
        raise PfiqError(f"{network!r} is not a known network; choose one of {', '.join(known)}.")
    candidates = [(m, name) for m in MAPPINGS for name in m.networks if network in (None, name)]
    by_names = [fit_names(*candidate, source) for candidate in candidates]
    likeness = [fit.likeness(source) for fit in by_names]
    nearest = max(likeness)[0]
    if nearest < 1 and source.layers:
        by_order = [fit_order(*candidate, source) for candidate in candidates]
        in_order = [(score, fit) for score, fit in zip(likeness, by_order, strict=True) if fit is not None]
        if in_order:
            return _best(in_order)
    if nearest == 0:
        raise PfiqError(
            f"{source.path}: none of its {len(source.arrays)} arrays ({', '.join(list(source.arrays)[:3])}, ...) is "
            f"part of {network or 'a known network'}; give weights of {network or ', '.join(known)}."
        )
    return _best([(score, fit) for score, fit in zip(likeness, by_names, strict=True) if score[0] == nearest])


def _best(fits: list[tuple[tuple[float, bool, bool], Fit]]) -> Fit:
    """The likest, or the first of those; it knows the others."""
    _, best = max(fits, key=lambda pair: pair[0])
    rivals = dict.fromkeys(fit.name for _, fit in fits if fit.name != best.name)
    return dataclasses.replace(best, rivals=tuple(rivals))
