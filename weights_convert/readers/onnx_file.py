"""``.onnx`` files, including quantised ones and those whose weights are in a second file."""

from pathlib import Path
from typing import TYPE_CHECKING

from pfiq_jax.errors import PfiqError
from weights_convert.readers.onnx_graph import Graph
from weights_convert.source import Source

if TYPE_CHECKING:
    import onnx


def read(path: Path) -> Source:
    """The parameters of the graph's layers, and all other arrays of more than one number that it uses.

    A quantised array is converted to float32 and has the name it had before quantisation; see ``Graph``.
    """
    model, companions = load(path)
    graph = Graph(model.graph, path)
    return Source(
        path,
        graph.arrays,
        epsilons=graph.epsilons,
        pixels=graph.pixels,
        dropout_rate=graph.dropout_rate,
        layers=tuple(graph.layers),
        companions=tuple(sorted(companions)),
    )


def load(path: Path) -> tuple["onnx.ModelProto", set[Path]]:
    """The model with its weights, and the other files from which they were read.

    Raises:
        PfiqError: if weights are missing or incomplete, or in a file that is not in the model's folder.
    """
    import onnx
    from onnx import external_data_helper

    model = onnx.load(path, load_external_data=False)
    if not model.graph.node:  # protobuf accepts an empty file as an empty message
        raise ValueError("it does not contain a graph")
    tensors = [*model.graph.initializer, *(a.t for node in model.graph.node for a in node.attribute if a.HasField("t"))]
    outside = [tensor for tensor in tensors if external_data_helper.uses_external_data(tensor)]
    files = [_companion(path, tensor) for tensor in outside]
    companions = {file for file, _ in files}
    if sum(length for _, length in files) > sum(file.stat().st_size for file in companions):
        raise ValueError("its arrays overlap in the second file")  # each of them becomes a copy
    for tensor in outside:
        external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
        tensor.data_location = onnx.TensorProto.DEFAULT  # older versions of onnx do not set it
    return model, companions


def _companion(path: Path, tensor: "onnx.TensorProto") -> tuple[Path, int]:
    """The file that contains a tensor, and its bytes there, after checking that the file is in the model's folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    file = path.parent / location
    if Path(location).is_absolute() or ".." in Path(location).parts or file.is_symlink():
        raise PfiqError(
            f"{path}: keeps weights in {location}, not in a file in its own folder; export it with its weights inside."
        )
    if not file.is_file():
        raise PfiqError(
            f"{path}: its weights in {location or 'another file'} are missing; put that file into the same folder."
        )
    size = file.stat().st_size
    start = int(entries.get("offset", 0))
    length = int(entries.get("length", 0)) or size - start  # without a length, all the rest is read
    if not 0 <= start <= start + length <= size:
        raise PfiqError(f"{path}: its weights exceed the end of {location}; download or export both files again.")
    return file, length
