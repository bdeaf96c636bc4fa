"""Where weights come from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Provenance:
    """The origin of weights. It is a description and does not change any result.

    Attributes:
        source: name of the file that was converted.
        source_sha256: its SHA-256 digest.
        companion: name of a second file that belongs to the source, such as an MXNet symbol; several names are
            separated by commas.
        companion_sha256: the digest of the second file; several digests are in the order of the names.
        entry: which of several networks in the source was converted, such as ``model_ema``; empty if the source has
            only one.
        other_entries: the names of the other networks in the source.
        license: the licence of the weights.
        network: name of the network, as in ``weights-convert --network``.
        also_fits: names of other networks that match the source equally well.
        assumed: those of "preprocessing" (mean and scale), "epsilon" and "dropout_rate" that the source does not state,
            so that the published values are used. No source states the channel order.
        given: those of "channel_order", "mean", "scale" and "epsilon" that the user gave.
        converter: name and version of the program that converted the source.
        verified: what the conversion was compared with, and how large the error was; empty if it was not compared.
    """

    source: str = ""
    source_sha256: str = ""
    companion: str = ""
    companion_sha256: str = ""
    entry: str = ""
    other_entries: tuple[str, ...] = ()
    license: str = ""
    network: str = ""
    also_fits: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    converter: str = ""
    verified: str = ""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
