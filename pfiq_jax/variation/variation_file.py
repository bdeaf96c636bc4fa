"""Files of activation statistics: ``.npz`` without pickles."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np

from pfiq_jax.errors import PfiqError, check_format_version
from pfiq_jax.outputs import write_atomically
from pfiq_jax.variation.variation import BINS, MOST_FACES, ONE, SUMS, Variation

FORMAT_VERSION = 1
# Bytes when unpacked, enough for maps of 500x500 pixels. A small file could otherwise fill the memory.
LARGEST = 1 << 30


def load_variation(path: str | os.PathLike[str]) -> Variation:
    """The statistics that ``Variation.save`` wrote, equal to the bit.

    Args:
        path: of the ``.npz`` file.

    Raises:
        PfiqError: for a file that is missing, damaged, of another format, or larger than a gibibyte when unpacked.
    """
    path = Path(path)
    fix = "give a file that `Variation.save` or `pfiq activations` wrote."
    if not path.is_file():
        raise PfiqError(f"{path}: does not exist or is not a file; {fix}")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST:
            raise PfiqError(f"{path}: unpacks to {size} bytes, more than the {LARGEST} that can be read; {fix}")
        with np.load(path, allow_pickle=False) as arrays:
            header = json.loads(str(arrays["header"]))
            check_format_version(path, header["format_version"], FORMAT_VERSION, "summarize the maps again")
            variation = Variation(header["count"], arrays["sums"], arrays["histogram"], header["metadata"])
    except PfiqError:
        raise
    except Exception as error:  # zip, zlib, NumPy and JSON raise various errors for a damaged file
        reason = " ".join(str(error).split())
        raise PfiqError(f"{path}: is damaged or not a file of activation statistics ({reason}); {fix}") from error
    if not _is_sound(variation):
        raise PfiqError(f"{path}: holds impossible statistics; {fix}")
    return variation


def save_variation(variation: Variation, path: str | os.PathLike[str]) -> None:
    """Writes a file for ``load_variation``; see ``Variation.save``."""
    header = {"format_version": FORMAT_VERSION, "count": variation.count, "metadata": dict(variation.metadata)}

    def write(partial: Path) -> None:
        with partial.open("wb") as file:  # NumPy sets all dates in it to 1980, so equal contents give equal bytes
            np.savez_compressed(
                file,
                header=np.array(json.dumps(header, sort_keys=True)),
                sums=variation.sums,
                histogram=variation.histogram,
            )

    write_atomically(path, write)


def _is_sound(variation: Variation) -> bool:
    """Whether statistics have the types, sizes and bounds of statistics of activation maps."""
    count, sums, histogram, metadata = variation.count, variation.sums, variation.histogram, variation.metadata
    if not (
        type(count) is int
        and 0 <= count <= MOST_FACES
        and isinstance(metadata, dict)
        and all(isinstance(text, str) for text in metadata.values())
        and (sums.dtype, histogram.dtype) == (np.int64, np.uint32)
        and sums.ndim == 3
        and len(sums) == SUMS
        and histogram.shape == (*sums.shape[1:], BINS + 1)
        and (histogram.sum(-1, dtype=np.uint64) == count).all()
        and ((sums >= 0) & (sums <= count * ONE**2)).all()
        and (sums[0] <= count * ONE).all()
    ):
        return False
    with np.errstate(invalid="ignore"):  # from negative variances
        spreads = (variation.std, variation.squared_deviation_spread) if count > 1 else ()
    return all(np.isfinite(spread).all() for spread in spreads)
