"""What a weights file holds, in words."""

from collections.abc import Iterator

import numpy as np

from weights_convert.mappings import choose
from weights_convert.source import Source


def describe(source: Source, network: str | None = None) -> str:
    """The network that a file resembles most, what it states, and its arrays, as lines of text.

    Raises:
        PfiqError: for a file that resembles no known network, and for an unknown name of a network.
    """
    return "\n".join((*_summary(source, network), *_arrays(source)))


def _summary(source: Source, network: str | None) -> Iterator[str]:
    fit = choose(source, network)
    missing = [name for name in fit.sources() if name not in source.arrays]
    likeness, _, _ = fit.likeness(source)
    yield f"file: {source.path}" + (f" with {source.companion.name}" if source.companion else "")
    yield f"network: {fit.name}" + ("" if likeness == 1 else f" is the nearest, {likeness:.1%} alike")
    if fit.rivals:
        yield f"fit alike: {', '.join(fit.rivals)}"
    if fit.folded:
        yield "BatchNorms: folded into the layers before them"
    for verb, names in (("lacks", missing), ("holds beside it", fit.left_over)):
        if names:
            yield f"{verb}: {', '.join(names)}"
    epsilons = sorted(set(source.epsilons.values()))
    yield f"BatchNorm epsilons: {', '.join(f'{e:g}' for e in epsilons) or 'not stated'}"
    yield "preprocessing: " + ("(x - {:g}) * {:g}".format(*source.pixels) if source.pixels else "not stated")
    yield f"dropout rate: {'not stated' if source.dropout_rate is None else f'{source.dropout_rate:g}'}"


def _arrays(source: Source) -> Iterator[str]:
    size = sum(array.size for array in source.arrays.values())
    yield f"arrays: {len(source.arrays)}, with {size:,} numbers"
    for name, array in source.arrays.items():
        yield f"  {name}  {'x'.join(map(str, np.shape(array))) or 'scalar'}  {array.dtype}"
