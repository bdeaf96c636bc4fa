"""Programs that run without this library, and the files that they are written to."""

import datetime
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

from pfiq_jax.detection import Detector, load_detector
from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.export import computation, jax_file, onnx_file
from pfiq_jax.outputs import write_atomically
from pfiq_jax.quality import QUALITY_METHODS, default_quality_method
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.version import __version__

LIFETIME = datetime.timedelta(days=182)
"""JAX promises to read the files of ``jax.export`` for six months (its documentation, "Compatibility guarantees").

JAX counts from the release that wrote the file. This library counts from the day of writing, which is later.
"""

Compute = Callable[[Recognizer, Any], computation.Results]


@dataclass(frozen=True)
class ExportedProgram:
    """The description of a program that was written.

    Attributes:
        metadata: the metadata in the file: input, outputs, method, versions, dates.
        snippet: three lines of Python that load and run the program.
        expires: the date until which newer versions of JAX promise to read it, counted from the day of writing; None
            for ONNX.
    """

    metadata: dict[str, Any]
    snippet: str
    expires: datetime.date | None


def export_program(
    recognizer: Recognizer,
    path: str | Path,
    *,
    quality: str | None = None,
    maps: bool = False,
    photographs: tuple[int, int] | None = None,
    detector: Detector | None = None,
    parameters: Literal["inside", "argument"] = "inside",
) -> ExportedProgram:
    """Writes a program from faces to scores, which runs without this library.

    Its input is uint8 (batch, height, width, 3), RGB, 0..255, with any number of images. It returns float32 arrays by
    name, which ``export/computation.py`` describes. Higher is better in ``quality`` and ``raw_quality``.
    ``NAME.export`` needs only JAX, and ``NAME.onnx`` only an ONNX runtime; ``pfiq_jax/export/__init__.py`` describes
    how they differ.

    Args:
        recognizer: the network.
        path: the file; its suffix, .export or .onnx, chooses the format.
        quality: one of ``QUALITY_METHODS``; a random method draws from a fixed key.
        maps: whether the program also computes maps.
        photographs: height and width of photographs, in which faces are detected and aligned; None for aligned faces.
        detector: the detector for photographs; by default the bundled one.
        parameters: whether the recogniser's parameters are "inside" the program. With "argument", its first argument is
            a dictionary of the parameters, which the file contains as ``parameters.safetensors``.

    Raises:
        PfiqError: for a method that the recogniser does not support, for a method, detector or network that cannot be
            written in this format, and for a file that cannot be written.

    Example:
        >>> program = pfiq_jax.export_program(recognizer, "scores.export")
        >>> program.metadata["computes"]
        'relative_norm of aligned faces'
    """
    path, method = Path(path), quality or default_quality_method(recognizer)
    is_argument, is_onnx = parameters == "argument", path.suffix.lower() == ".onnx"
    check_choice("parameters", parameters, ("inside", "argument"))
    check_choice("the suffix of the exported file", path.suffix.lower(), (".export", ".onnx"))
    check_choice("quality", method, QUALITY_METHODS)
    if missing := QUALITY_METHODS[method].missing(recognizer):
        raise PfiqError(f"{method}: the recogniser has {missing}.")
    if is_onnx and (photographs or is_argument):
        what = "the detection of faces in photographs" if photographs else "parameters as an argument"
        raise PfiqError(f"{path}: ONNX files cannot contain {what}; write a .export file.")

    compute: Compute = functools.partial(computation.of_faces, method=method, maps=maps)
    if photographs:
        detector = detector or load_detector()
        compute = functools.partial(computation.of_photographs, detector=detector, method=method, maps=maps)
    size = photographs or recognizer.preprocessing.size
    images = jax.ShapeDtypeStruct((*jax.export.symbolic_shape("batch"), *size, 3), jnp.uint8)
    today = datetime.datetime.now(datetime.UTC).date()
    metadata = _metadata(recognizer, compute, images) | {"written": today.isoformat()}
    metadata["computes"] = f"{method} of {'the largest face in photographs' if photographs else 'aligned faces'}"
    if is_onnx:
        content = onnx_file.content_of(path, functools.partial(compute, recognizer), images, metadata)
        write_atomically(path, lambda partial: partial.write_bytes(content))
        return ExportedProgram(metadata, onnx_file.snippet_of(path), None)
    expires = today + LIFETIME
    metadata |= {"expires": expires.isoformat(), "platforms": list(jax_file.PLATFORMS), "parameters": parameters}
    program = jax_file.program_of(compute, recognizer, images, is_argument=is_argument)
    write_atomically(path, lambda partial: jax_file.write(partial, program, json.dumps(metadata, indent=1)))
    return ExportedProgram(metadata, jax_file.snippet_of(path, is_argument=is_argument), expires)


def _metadata(recognizer: Recognizer, compute: Compute, images: jax.ShapeDtypeStruct) -> dict[str, Any]:
    """The program's input and outputs, and the versions and licence that it was made with."""
    outputs = jax.eval_shape(compute, recognizer, images)
    return {
        "input": f"{shape_of(images)}, RGB, 0..255",
        "outputs": {name: f"{shape_of(outputs[name])}: {computation.MEANINGS[name]}" for name in sorted(outputs)},
        "license_of_weights": recognizer.provenance.license,
        "pfiq_jax": __version__,
        "jax": jax.__version__,
    }


def shape_of(array: jax.ShapeDtypeStruct) -> str:
    """Dtype and shape in words, such as "float32 (batch, 112, 112)"."""
    return f"{array.dtype} ({', '.join(map(str, array.shape))}{',' * (array.ndim == 1)})"
