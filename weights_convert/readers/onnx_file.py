"""``.onnx`` files, with their weights inside or in a second file beside them, quantised ones included."""

from pathlib import Path
from typing import TYPE_CHECKING

from pfiq_jax.errors import PfiqError
from weights_convert.readers.onnx_graph import Graph
from weights_convert.source import Source

if TYPE_CHECKING:
    import onnx


def read(path: Path) -> Source:
    """The parameters of the graph's layers, and whatever else of more than one number it computes with.

    A quantised array is multiplied out to float32 and goes by the name it had before; ``Graph`` says the rest.
    """
    model, beside = load(path)
    graph = Graph(model.graph, path)
    return Source(
        path,
        graph.arrays,
        epsilons=graph.epsilons,
        pixels=graph.pixels,
        dropout_rate=graph.dropout_rate,
        layers=tuple(graph.layers),
        companion=beside.pop() if len(beside) == 1 else None,
    )


def load(path: Path) -> tuple["onnx.ModelProto", set[Path]]:
    """The model with its weights inside, and the files beside it that they came from.

    Raises:
        PfiqError: for weights that are said to lie elsewhere than beside the model, or do not lie there whole.
    """
    import onnx
    from onnx import external_data_helper

    model = onnx.load(path, load_external_data=False)
    if not model.graph.node:  # protobuf takes an empty file for an empty message
        raise ValueError("it holds no graph")
    tensors = [*model.graph.initializer, *(a.t for node in model.graph.node for a in node.attribute if a.HasField("t"))]
    outside = [tensor for tensor in tensors if external_data_helper.uses_external_data(tensor)]
    beside = {_file_beside(path, tensor) for tensor in outside}
    for tensor in outside:
        external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
        tensor.data_location = onnx.TensorProto.DEFAULT  # which older onnx leaves to its caller
    return model, beside


def _file_beside(path: Path, tensor: "onnx.TensorProto") -> Path:
    """The file that holds a tensor, and holds all of it."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    file = path.parent / location
    if Path(location).is_absolute() or ".." in Path(location).parts or file.is_symlink():
        raise PfiqError(f"{path}: keeps weights in {location}, where only a file beside it is read; move that there.")
    if not file.is_file():
        raise PfiqError(f"{path}: keeps weights in {location or 'a file'}, which is missing; put that beside it.")
    start, length = (int(entries.get(key, 0)) for key in ("offset", "length"))
    if not 0 <= start <= start + length <= file.stat().st_size:
        raise PfiqError(f"{path}: keeps weights beyond the end of {location}; download or export both files again.")
    return file
