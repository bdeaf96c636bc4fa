"""The start of a command: prepares the process and loads the recogniser."""

import os
import warnings
from pathlib import Path

import jax
from platformdirs import user_cache_path

from pfiq_jax.cpu_memory import keep_freed_memory
from pfiq_jax.recognizers import Precision, Recognizer, load_recognizer


def start(recognizer_file: Path | None, precision: Precision = "float32") -> Recognizer:
    """Prepares the process to run a recogniser in a precision, and loads it; the bundled one if no file is given."""
    keep_freed_memory()
    warnings.filterwarnings("ignore", module=r"PIL\.")  # about odd metadata in images that can be read
    warnings.filterwarnings("ignore", message="Glyph .* missing")  # in file names that matplotlib has no font for
    # A damaged entry costs a compilation, and JAX does not replace it: it would warn in every run.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    cache = user_cache_path("pfiq_jax")
    configured = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if configured is None and is_usable_folder(cache):
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    return load_recognizer(recognizer_file).with_precision(precision)


def is_usable_folder(folder: Path) -> bool:
    """Whether the folder exists or can be created, and can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
