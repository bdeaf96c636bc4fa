"""One mapping an architecture: source names and layouts -> the library's parameters. A mapping knows no file format.

A new architecture is one module with a ``MAPPING`` and one name in ``MAPPINGS``.
"""

from pfiq_jax.errors import PfiqError
from weights_convert.mappings import iresnet, sface
from weights_convert.mappings.mapping import Mapping
from weights_convert.readers.source import Source

__all__ = ["MAPPINGS", "Mapping", "choose"]

MAPPINGS = (iresnet.MAPPING, sface.MAPPING)


def choose(source: Source, architecture: str | None = None) -> tuple[str, Mapping]:
    """An architecture's name and mapping: the named one, or the nearest to the names of the source's arrays.

    Raises:
        PfiqError: for an unknown architecture, and for a source that resembles none.
    """
    known = {name: mapping for mapping in MAPPINGS for name in mapping.architectures}
    if architecture is not None:
        if architecture not in known:
            raise PfiqError(f"{architecture!r} is no known architecture; choose one of {', '.join(known)}.")
        return architecture, known[architecture]
    matches = [sum(map(mapping.fits, source.arrays)) for mapping in MAPPINGS]
    if not any(matches):
        raise PfiqError(
            f"{source.path}: none of its {len(source.arrays)} arrays ({', '.join(list(source.arrays)[:3])}, ...) is "
            f"part of a known architecture; give weights of one of {', '.join(known)}."
        )
    mapping = MAPPINGS[matches.index(max(matches))]
    return mapping.identify(source.arrays.keys()), mapping
