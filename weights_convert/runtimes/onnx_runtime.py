"""Runs ONNX graphs with ONNX Runtime."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pfiq_jax.errors import PfiqError
from weights_convert.readers.onnx_file import load
from weights_convert.readers.onnx_graph import Graph
from weights_convert.runtimes.outputs import Outputs
from weights_convert.source import Source

if TYPE_CHECKING:
    import onnx

LARGEST_BATCH = 64


def run(source: Source, pixels: np.ndarray, dim: int, *, layers: bool = False) -> Outputs:
    """What the graph computes, and the outputs of its layers.

    The embeddings are the first output of shape (batch, dim), and the qualities the first one with one number per face,
    in any order. A graph with a fixed batch size gets batches of that size; the last batch is padded.

    Args:
        source: the result of ``readers.read``.
        pixels: (batch, 3, height, width) float32, preprocessed as the graph requires.
        dim: length of the embeddings.
        layers: whether to return the outputs of ``source.layers``.

    Raises:
        PfiqError: if ONNX Runtime cannot run the graph, or if none of its outputs is an embedding or a quality.
    """
    results, watched = run_graph(source, pixels, layers=layers)
    embeddings = next((result for result in results if result.shape == (len(pixels), dim)), None)
    qualities = next((result for result in results if result.shape in ((len(pixels),), (len(pixels), 1))), None)
    if embeddings is None and qualities is None:
        shapes = ", ".join(str(result.shape[1:]) for result in results)
        raise PfiqError(
            f"{source.path}: its outputs have the shape {shapes} per face, but the embedding has {dim} numbers; "
            "convert it without --verify."
        )
    names = [next(iter(layer.arrays.values())) for layer in source.layers]
    return Outputs(
        embeddings,
        None if qualities is None else qualities.reshape(len(pixels)),
        dict(zip(names, watched, strict=False)),
        dtype_of(source),
    )


def run_graph(source: Source, pixels: np.ndarray, *, layers: bool = False) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The outputs of the graph in its order, and those of its layers.

    Args:
        source: the result of ``readers.read``.
        pixels: (batch, 3, height, width) float32, preprocessed as the graph requires.
        layers: whether to return the outputs of ``source.layers``.

    Raises:
        PfiqError: if ONNX Runtime cannot run the graph.
    """
    import onnx
    import onnxruntime

    model, _ = load(source.path)
    # Quantisers keep graph inputs that are unused or now computed by nodes. ONNX Runtime rejects such graphs.
    made = {name for node in model.graph.node for name in node.output} | {a.name for a in model.graph.initializer}
    consumed = {name for node in model.graph.node for name in node.input}
    fed = [value for value in model.graph.input if value.name in consumed - made]
    del model.graph.input[:]
    model.graph.input.extend(fed)
    _without_needless_blocks(model.graph)
    given = [value.name for value in model.graph.output]
    watched = Graph(model.graph, source.path).outputs if layers else []
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in watched if name not in given)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    size = _batch_size(source, fed)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        dtype = onnx.helper.tensor_dtype_to_np_dtype(fed[0].type.tensor_type.elem_type)
        batches = _in_batches_of(size, pixels.astype(dtype))
        outputs = [session.run([*given, *watched], {fed[0].name: batch}) for batch in batches]
    except Exception as error:  # ONNX Runtime's exceptions have no other common base class
        reason = str(error).strip().split("\n")[0]
        raise PfiqError(
            f"{source.path}: ONNX Runtime cannot run it ({reason}); convert it without --verify."
        ) from error
    joined = [np.concatenate(output)[: len(pixels)].astype(np.float32) for output in zip(*outputs, strict=True)]
    return joined[: len(given)], joined[len(given) :]


def _without_needless_blocks(graph: "onnx.GraphProto") -> None:
    """Removes the block sizes of arrays that have one scale only, which ONNX Runtime rejects."""
    scales = {tensor.name for tensor in graph.initializer if list(tensor.dims) in ([], [1])}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[1] in scales:
            kept = [attribute for attribute in node.attribute if attribute.name != "block_size"]
            del node.attribute[:]
            node.attribute.extend(kept)


def _batch_size(source: Source, fed: "list[onnx.ValueInfoProto]") -> int:
    """The fixed batch size of a graph; 1 if it is not fixed, since many graphs fix it to 1 only in a Reshape."""
    axes = fed[0].type.tensor_type.shape.dim if fed else []
    size = max(1, axes[0].dim_value) if axes else 1
    if size > LARGEST_BATCH:
        raise PfiqError(
            f"{source.path}: has a fixed batch of {size} faces, more than {LARGEST_BATCH}; export it with a smaller "
            "one, or convert it without --verify."
        )
    return size


def _in_batches_of(size: int, pixels: np.ndarray) -> list[np.ndarray]:
    """Batches of the same size; the last one is padded with copies of the last image."""
    missing = -len(pixels) % size
    return np.split(np.concatenate((pixels, *[pixels[-1:]] * missing)), (len(pixels) + missing) // size)


def dtype_of(source: Source) -> str:
    """The narrowest dtype of the layers' arrays, which ONNX Runtime computes in."""
    arrays: Any = (source.arrays[name] for layer in source.layers for name in layer.arrays.values())
    dtypes = {str(array.dtype) for array in arrays}
    return next((dtype for dtype in ("bfloat16", "float16") if dtype in dtypes), "float32")
