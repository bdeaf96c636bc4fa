"""Fuzzing that coverage guides: files that reach new code are changed further.

pip install atheris
python -m tests.fuzz.coverage_guided pictures -max_total_time=300

The targets are pictures, tables, headers and weights. Options are those of libFuzzer. What fails is saved as
``crash-...`` in the current folder; such a file as an argument is tried alone.
"""

import io
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("tests.fuzz.coverage_guided: atheris is missing; pip install atheris.")

with atheris.instrument_imports(include=["pfiq_jax", "weights_convert", "PIL", "h5py", "onnx"]):
    import safetensors.numpy

    from pfiq_jax import load_recognizer
    from pfiq_jax.recognizers.header import header_of
    from tests.fuzz import test_pictures, test_tables, test_weights_headers, test_weights_readers
    from tests.weights_convert.onnx_files import KERNEL

LIMITS = ("-timeout=20", "-rss_limit_mb=2048")
Target = tuple[Sequence[bytes], str, Callable[[Path], None]]


def pictures(folder: Path) -> Target:
    return test_pictures.SEEDS, "face", test_pictures.check_picture


def tables(folder: Path) -> Target:
    return [*test_tables.CSV_SEEDS, *test_tables.parquet_seeds()], "a.csv", test_tables.check_table


def headers(folder: Path) -> Target:
    header = json.dumps(header_of(load_recognizer())).encode()
    return [header], "header", lambda path: test_weights_headers.check_header(_utf8(path.read_bytes()))


def _utf8(content: bytes) -> bytes:
    """As headers of safetensors files are."""
    return content.decode("utf-8", "ignore").encode()


def weights(folder: Path) -> Target:
    seeds = [*test_weights_readers.small_seeds(folder).values(), safetensors.numpy.save(KERNEL)]
    try:
        import torch
    except ImportError:
        return seeds, "a", test_weights_readers.check_weights
    for zipped in (True, False):
        buffer = io.BytesIO()
        state = {name: torch.tensor(array) for name, array in KERNEL.items()}
        torch.save(state, buffer, _use_new_zipfile_serialization=zipped)
        seeds.append(buffer.getvalue())
    return seeds, "a", test_weights_readers.check_weights


TARGETS = {target.__name__: target for target in (pictures, tables, headers, weights)}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"tests.fuzz.coverage_guided: names no target; give one of {', '.join(TARGETS)}.")
    warnings.simplefilter("ignore")  # Pillow's, of metadata and sizes
    folder = Path(tempfile.mkdtemp())
    seeds, name, check = TARGETS[sys.argv[1]](folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)

    def test(content: bytes) -> None:
        (folder / name).write_bytes(content)
        check(folder / name)

    options = sys.argv[2:]
    files = [option for option in options if not option.startswith("-")]
    atheris.Setup([sys.argv[0], *LIMITS, *options, *([] if files else [str(corpus)])], test)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
