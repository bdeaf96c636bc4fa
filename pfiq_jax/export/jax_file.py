"""Files of ``jax.export``: a zip archive of the program, its metadata and, if they are an argument, the parameters."""

import dataclasses
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import safetensors.numpy
from jax import export

from pfiq_jax.recognizers import Recognizer
from pfiq_jax.recognizers.modules import path_name

PLATFORMS = ("cpu", "cuda", "tpu")


class JaxProgram(NamedTuple):
    """A serialised program.

    Attributes:
        content: bytes that ``jax.export.deserialize`` reads.
        parameters: the first argument, by dotted names; None if the program takes only images.
    """

    content: bytes
    parameters: dict[str, np.ndarray] | None


def program_of(
    compute: Callable[[Recognizer, Any], dict[str, Any]],
    recognizer: Recognizer,
    images: jax.ShapeDtypeStruct,
    *,
    is_argument: bool,
) -> JaxProgram:
    """A program of images, or of a dictionary of parameters and images. It returns a dictionary of arrays."""
    if not is_argument:
        exported = export.export(jax.jit(lambda images: compute(recognizer, images)), platforms=PLATFORMS)(images)
        return JaxProgram(bytes(exported.serialize()), None)
    leaves, tree = jax.tree_util.tree_flatten_with_path(recognizer.parameters)
    parameters = {path_name(path): np.asarray(leaf) for path, leaf in leaves}
    names = list(parameters)

    def of_parameters(parameters: dict[str, jax.Array], images: jax.Array) -> dict[str, Any]:
        nested = jax.tree.unflatten(tree, [parameters[name] for name in names])
        return compute(dataclasses.replace(recognizer, parameters=nested), images)

    shapes = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in parameters.items()}
    exported = export.export(jax.jit(of_parameters), platforms=PLATFORMS)(shapes, images)
    return JaxProgram(bytes(exported.serialize()), parameters)


def write(path: Path, program: JaxProgram, metadata: str) -> None:
    """Writes the archive."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", metadata)
        file.writestr("program", program.content)
        if program.parameters is not None:
            file.writestr("parameters.safetensors", safetensors.numpy.save(program.parameters))


def snippet_of(path: Path, *, is_argument: bool) -> str:
    """Python that loads and runs a file."""
    load = f'program = jax.jit(export.deserialize(bytearray(zipfile.ZipFile("{path.name}").read("program"))).call)'
    if not is_argument:
        return "\n".join(["import zipfile; import jax; from jax import export", load, "results = program(images)"])
    return "\n".join(
        [
            "import zipfile; import jax, safetensors.numpy; from jax import export",
            load,
            f'parameters = safetensors.numpy.load(zipfile.ZipFile("{path.name}").read("parameters.safetensors"))',
            "results = program(parameters, images)",
        ]
    )
