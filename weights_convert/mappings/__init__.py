"""One module a family of networks: tables of the names that sources give its layers. A mapping knows no file format.

A new network is one module with a table of ``Part`` and one name in ``MAPPINGS``. How a framework names and lays out
the arrays of a layer stands once, in ``conventions``.
"""

from pfiq_jax.errors import PfiqError
from weights_convert.mappings import adaface, facenet, iresnet, mobilefacenet, sface
from weights_convert.mappings.mapping import Fit, Mapping, fit_names, fit_order
from weights_convert.readers import Source

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


def choose(source: Source, architecture: str | None = None) -> Fit:
    """The mapping that is nearest to a source, among all or those of one architecture.

    Arrays are told by their names; where an exporter gave new ones, by the order of the layers.

    Raises:
        PfiqError: for an unknown architecture, and for a source that resembles none.
    """
    known = dict.fromkeys(name for mapping in MAPPINGS for name in mapping.networks)
    if architecture not in (None, *known):
        raise PfiqError(f"{architecture!r} is no known architecture; choose one of {', '.join(known)}.")
    candidates = [(m, name) for m in MAPPINGS for name in m.networks if architecture in (None, name)]
    by_names = [fit_names(mapping, name, source) for mapping, name in candidates]
    likeness = [fit.likeness(source) for fit in by_names]
    best, nearness = by_names[likeness.index(max(likeness))], max(likeness)[0]
    if nearness < 1 and source.layers:
        by_order = [fit_order(mapping, name, source) for mapping, name in candidates]
        fitting = [(score, fit) for score, fit in zip(likeness, by_order, strict=True) if fit is not None]
        if fitting:
            return max(fitting, key=lambda pair: pair[0])[1]
    if nearness == 0:
        raise PfiqError(
            f"{source.path}: none of its {len(source.arrays)} arrays ({', '.join(list(source.arrays)[:3])}, ...) is "
            f"part of {architecture or 'a known architecture'}; give weights of {architecture or ', '.join(known)}."
        )
    return best
