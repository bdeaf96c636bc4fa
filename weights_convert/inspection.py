"""The contents of a weights file, as text."""

from collections.abc import Iterator

import numpy as np

from pfiq_jax.recognizers import Recognizer
from pfiq_jax.recognizers.provenance import Provenance
from weights_convert.mappings import choose
from weights_convert.source import Source


def describe(source: Source, network: str | None = None) -> str:
    """Lines of text with the network that a file is most similar to, the metadata it states, and its arrays.

    Raises:
        PfiqError: if the file has nothing in common with any known network, or if ``network`` is not a known one.
    """
    return "\n".join((*_summary(source, network), *_arrays(source)))


def _summary(source: Source, network: str | None) -> Iterator[str]:
    fit = choose(source, network)
    missing = [name for name in fit.sources() if name not in source.arrays]
    similarity = fit.match(source).similarity
    yield f"file: {source.path}" + (f" with {source.companion.name}" if source.companion else "")
    yield f"network: {fit.name}" + (
        "" if similarity == 1 else f" is the most similar, with {similarity:.1%} of the arrays in common"
    )
    if fit.also_fits:
        yield f"equally good matches: {', '.join(fit.also_fits)}"
    if fit.folded_batch_norms:
        yield "BatchNorms: folded into the previous layers"
    for relation, names in (("missing", missing), ("also contains", fit.left_over)):
        if names:
            yield f"{relation}: {', '.join(names)}"
    epsilons = sorted(set(source.epsilons.values()))
    yield f"BatchNorm epsilons: {', '.join(f'{e:g}' for e in epsilons) or 'not stated'}"
    yield "preprocessing: " + ("(x - {:g}) * {:g}".format(*source.pixels) if source.pixels else "not stated")
    yield f"dropout rate: {'not stated' if source.dropout_rate is None else f'{source.dropout_rate:g}'}"


def _arrays(source: Source) -> Iterator[str]:
    size = sum(array.size for array in source.arrays.values())
    yield f"arrays: {len(source.arrays)}, with {size:,} numbers"
    for name, array in source.arrays.items():
        yield f"  {name}  {'x'.join(map(str, np.shape(array))) or 'scalar'}  {array.dtype}"


def describe_origin(recognizer: Recognizer) -> Iterator[str]:
    """Lines of text with the origin of converted weights, and which of their settings the source states."""
    origin = recognizer.provenance
    yield f"source: {origin.source} (SHA-256 {origin.source_sha256})"
    if origin.companion:
        yield f"second file: {origin.companion} (SHA-256 {origin.companion_sha256})"
    yield f"license: {origin.license}"
    yield f"network: {origin.network}"
    if origin.also_fits:
        yield f"equally good matches: {', '.join(origin.also_fits)}; choose one of them with --network"
    for name in ("preprocessing", "epsilon", "dropout_rate"):
        yield f"{name.replace('_', ' ')}: {_reason(origin, name)}"
    if recognizer.folded_batch_norms:
        yield "BatchNorms: folded into the previous layers by the exporter; their statistics are lost"
    yield f"converter: {origin.converter}"
    yield f"verified: {origin.verified or 'no; `weights-convert verify` compares the output with its source'}"


def _reason(origin: Provenance, setting: str) -> str:
    if setting in origin.given:
        return "given on the command line"
    return "published value, not stated by the source" if setting in origin.assumed else "stated by the source"
