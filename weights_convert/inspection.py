"""The contents of a weights file, as text."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from pfiq_jax.detection import Detector
from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.recognizers.provenance import Provenance
from pfiq_jax.recognizers.weights_file import fill
from weights_convert.convert import configure, in_library_layout
from weights_convert.mappings import Fit, choose
from weights_convert.preprocessing import arithmetic, described
from weights_convert.source import Source

PUBLISHED = "published value, not stated by the source"


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
    companions = ", ".join(companion.name for companion in source.companions)
    yield f"file: {source.path}" + (f" with {companions}" if companions else "")
    yield f"network: {fit.name}" + (
        "" if similarity == 1 else f" is the most similar, with {similarity:.1%} of the arrays in common"
    )
    prefixes = [prefix.removesuffix(".") or "(no prefix)" for prefix in (fit.prefix, *fit.other_prefixes)]
    if source.entry or fit.other_prefixes:
        yield f"entry: {'.'.join(filter(None, (source.entry, prefixes[0] if fit.other_prefixes else '')))}"
    if others := (*source.other_entries, *prefixes[1:]):
        yield f"other entries: {', '.join(others)}; choose one of them with --entry"
    if fit.also_fits:
        yield f"equally good matches: {', '.join(fit.also_fits)}"
    if fit.folded_batch_norms:
        yield "BatchNorms: folded into the previous layers"
    for relation, names in (("missing", missing), ("also contains", fit.left_over)):
        if names:
            yield f"{relation}: {', '.join(names)}"
    if problems := _problems(source, fit):
        yield f"problems: {'; '.join(problems)}"
    epsilons = sorted(set(source.epsilons.values()))
    yield f"BatchNorm epsilons: {', '.join(f'{e:g}' for e in epsilons) or 'not stated'}"
    published = fit.mapping.preprocessing
    assumed = f"not stated; {arithmetic(published.mean, published.scale)} is assumed"
    yield f"preprocessing: {arithmetic(*source.pixels) if source.pixels else assumed}"
    yield f"channel order: not stated; {published.channel_order} is assumed"
    yield f"dropout rate: {'not stated' if source.dropout_rate is None else f'{source.dropout_rate:g}'}"


def _problems(source: Source, fit: Fit) -> tuple[str, ...]:
    """What is wrong with the shapes and values of the arrays that the network uses."""
    architecture = configure(fit, source)
    names, take = in_library_layout(dataclasses.replace(fit, left_over=()), architecture, source)
    labels = {name: array for array, name in fit.sources().items()}
    try:
        fill(architecture, names, take, source.path, labels=labels)
    except PfiqError as error:
        return tuple(problem for problem in error.details if not problem.endswith("is missing"))
    return ()


def _arrays(source: Source) -> Iterator[str]:
    size = sum(array.size for array in source.arrays.values())
    yield f"arrays: {len(source.arrays)}, with {size:,} numbers"
    for name, array in source.arrays.items():
        wrong = 0 if array.dtype.kind in "biu" else array.size - np.count_nonzero(np.isfinite(array))
        note = f"  {wrong} numbers are NaN or infinite" if wrong else ""
        yield f"  {name}  {'x'.join(map(str, np.shape(array))) or 'scalar'}  {array.dtype}{note}"


def describe_origin(converted: Recognizer | Detector) -> Iterator[str]:
    """Lines of text with the origin of converted weights, and which of their settings the source states."""
    origin = converted.provenance
    yield f"source: {origin.source} (SHA-256 {origin.source_sha256})"
    if origin.companion:
        yield f"second file: {origin.companion} (SHA-256 {origin.companion_sha256})"
    yield f"license: {origin.license}"
    if origin.entry:
        yield f"entry: {origin.entry}"
    if origin.other_entries:
        yield f"other entries: {', '.join(origin.other_entries)}; choose one of them with --entry"
    yield f"network: {origin.network}"
    if origin.also_fits:
        yield f"equally good matches: {', '.join(origin.also_fits)}; choose one of them with --network"
    settings = _settings(converted) if isinstance(converted, Recognizer) else {}
    for name, value in settings.items():
        yield f"{name.replace('_', ' ')}: {value} ({_reason(origin, name)})"
    assumed = [name for name in ("channel_order", "mean", "scale") if _reason(origin, name) == PUBLISHED]
    if settings and assumed:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in assumed)
        yield f"note: give {options} if the network was trained with other values"
    if isinstance(converted, Recognizer) and converted.folded_batch_norms:
        yield "BatchNorms: folded into the previous layers by the exporter; their statistics are lost"
    yield f"converter: {origin.converter}"
    yield f"verified: {origin.verified or 'no; `weights-convert verify` compares the output with its source'}"


def _settings(recognizer: Recognizer) -> dict[str, str]:
    """The settings that a source may not state, and their values."""
    preprocessing, network = recognizer.preprocessing, recognizer.network
    epsilons = {value: None for name, value in vars(network).items() if name.endswith("epsilon")}
    return {
        "channel_order": preprocessing.channel_order,
        "mean": described(preprocessing.mean),
        "scale": described(preprocessing.scale),
        "epsilon": ", ".join(f"{epsilon:g}" for epsilon in epsilons),
        "dropout_rate": f"{recognizer.dropout_rate:g}",
    }


def _reason(origin: Provenance, setting: str) -> str:
    if setting in origin.given:
        return "given on the command line"
    entry = "preprocessing" if setting in ("mean", "scale") else setting
    return PUBLISHED if entry in (*origin.assumed, "channel_order") else "stated by the source"
