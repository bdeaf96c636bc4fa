"""Programs, as files, that compute scores and maps of faces or photographs without this library.

Both kinds take batches of any size.

- ``NAME.export`` is a zip archive with the file ``program``, which ``jax.export`` reads, and its metadata. It runs on
  one CPU, NVIDIA GPU or TPU, and returns a dictionary. It does not replace the weights: JAX promises to read it for
  six months after the release of JAX that wrote it. It cannot be differentiated or mapped by ``jax.vmap``.
- ``NAME.onnx`` has the metadata as properties. Its scores equal those of the library to 1e-5, and the maps of most
  faces to 1e-4. On some faces the maps differ, because the slope of a PReLU depends on rounding
  (``benchmarks/results/export.md``). Detection, random numbers, and parameters as an argument cannot be written.
"""

from pfiq_jax.export.program import ExportedProgram, export_program

__all__ = ["ExportedProgram", "export_program"]
