"""Runs ONNX graphs with ONNX Runtime."""

import numpy as np

from pfiq_jax.errors import PfiqError
from weights_convert.readers.onnx_file import load
from weights_convert.readers.onnx_graph import Graph
from weights_convert.source import Source


def run(source: Source, pixels: np.ndarray, *, layers: bool = False) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Embeddings, and the outputs of the layers with parameters.

    Args:
        source: the result of ``readers.read``.
        pixels: (batch, 3, height, width) float32, preprocessed as the graph requires.
        layers: whether to return the outputs of the layers.

    Returns:
        Embeddings (batch, dim) float32, the graph's first output with two axes; and with ``layers`` the outputs (batch,
        ...) float32 of ``source.layers`` by the name of each layer's first array, otherwise an empty dictionary.

    Raises:
        PfiqError: if ONNX Runtime cannot run the graph, or if it has no output with two axes.
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
    given = [value.name for value in model.graph.output]
    watched = Graph(model.graph, source.path).outputs if layers else []
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in watched if name not in given)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        dtype = onnx.helper.tensor_dtype_to_np_dtype(fed[0].type.tensor_type.elem_type)
        # one by one, because many graphs have a fixed batch size of 1, sometimes only in a Reshape
        outputs = [session.run([*given, *watched], {fed[0].name: image[None].astype(dtype)}) for image in pixels]
    except Exception as error:  # ONNX Runtime's exceptions have no other common base class
        reason = str(error).strip().split("\n")[0]
        raise PfiqError(
            f"{source.path}: ONNX Runtime cannot run it ({reason}); convert it without --verify."
        ) from error
    batches = [np.concatenate(output).astype(np.float32) for output in zip(*outputs, strict=True)]
    embeddings = next((batch for batch in batches[: len(given)] if batch.ndim == 2), None)
    if embeddings is None:
        raise PfiqError(f"{source.path}: has no output of shape (batch, dim); convert it without --verify.")
    names = [next(iter(layer.arrays.values())) for layer in source.layers]
    return embeddings, dict(zip(names, batches[len(given) :], strict=False))
