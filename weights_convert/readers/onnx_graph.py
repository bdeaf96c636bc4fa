"""The layers of an ONNX graph in the order in which they run, and the preprocessing before them."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import jax.numpy as jnp
import numpy as np

from pfiq_jax.errors import PfiqError
from weights_convert.readers.onnx_constants import FOLDS
from weights_convert.readers.pixels import ARITHMETIC
from weights_convert.source import Layer

if TYPE_CHECKING:
    import onnx

DOMAINS = ("", "ai.onnx", "com.microsoft")  # an operation of another domain may have the same name and differ
GROWTH = 16  # times the bytes of the stored arrays that all arrays calculated from them may take together
QUANTISED_SUFFIX = "_quantized"  # added by ONNX quantisers to the name of the array that they replace
INTEGER_OPERATIONS = ("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul")
TRANSPARENT = ("Identity", "Cast", "QuantizeLinear", "DequantizeLinear")  # they change values only by rounding
LAYERS: Mapping[str, tuple[Literal["conv", "norm", "prelu", "dense"], tuple[str, ...]]] = MappingProxyType(
    {
        "Conv": ("conv", ("kernel", "bias")),
        "BatchNormalization": ("norm", ("scale", "bias", "mean", "var")),
        "PRelu": ("prelu", ("slope",)),
        "Gemm": ("dense", ("kernel", "bias")),
        "MatMul": ("dense", ("kernel",)),
    }
)
MERGES = ("Add", "Mul", "Sum")  # operations that merge branches, in any order
RESIZES = ("Resize", "Upsample")  # their constants are factors and sizes
CHANNEL_AXES = MappingProxyType({"conv": -3, "dense": -1})  # in the outputs of the layers that may have a bias


class Graph:
    """The layers of a graph from its pixels to its embedding.

    Attributes:
        arrays: the parameters of the layers by unique names: if two layers share an array, the second one has it as
            ``name#2``. Dense kernels are (out, in). All other arrays of more than one number that the graph uses are
            included, so that a conversion cannot omit them without an error.
        layers: the layers in the order in which the graph runs them. Where branches merge, the deepest one comes first,
            because exporters write the others before or after it.
        outputs: the graph's names of the outputs of the layers.
        epsilons: epsilons of the BatchNorms, by the name of their array of means.
        pixels: (mean, scale) if the graph begins with ``(pixels - mean) * scale``, otherwise None.
        dropout_rate: rate of the last Dropout with a rate above 0; None if there is none.

    Raises:
        PfiqError: if the graph computes in integers, has control flow, computes its weights, or preprocesses its
            pixels by anything except arithmetic with single numbers.
    """

    def __init__(self, graph: "onnx.GraphProto", path: Path):
        from onnx import numpy_helper

        self.arrays: dict[str, np.ndarray] = {}
        self.layers: list[Layer] = []
        self.outputs: list[str] = []
        self.epsilons: dict[str, float] = {}
        self.pixels: tuple[float, float] | None = None
        self.dropout_rate: float | None = None
        self._path = path
        self._values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        if len(self._values) < len(graph.initializer):
            raise ValueError("two of its arrays have the same name")
        self._names = {name: name for name in self._values}  # the name in `arrays` of every constant
        self._room = GROWTH * sum(array.nbytes for array in self._values.values())
        fed = {value.name for value in graph.input} - self._values.keys()
        self._makers = dict.fromkeys(fed, "graph input")
        self._readers = Counter(name for node in graph.node for name in node.input)
        self._readers.update(value.name for value in graph.output)
        self._prepared = dict.fromkeys(fed, (0.0, 1.0))  # values equal to (pixels - mean) * scale: (mean, scale)
        self._uses: Counter[str] = Counter()  # how often each constant is in `arrays`, after its first use
        self._made_by: dict[str, int] = {}  # the index of the layer whose output a value is
        self._unbiased: dict[str, int] = {}  # outputs of layers whose bias may still follow as an addition
        for node in graph.node:
            self._check(node)
            self._visit(node)
        order = self._running_order(graph)
        self.layers = [self.layers[index] for index in order]
        self.outputs = [self.outputs[index] for index in order]

    def _check(self, node: "onnx.NodeProto") -> None:
        from onnx import AttributeProto

        if node.op_type in INTEGER_OPERATIONS:
            raise PfiqError(
                f"{self._path}: computes in integers ({node.op_type}); give the float model before quantisation."
            )
        if any(attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for attribute in node.attribute):
            raise PfiqError(f"{self._path}: has branches or loops ({node.op_type}); export the network without them.")
        for name in filter(None, node.input):
            if name not in self._values and name not in self._makers:
                raise ValueError(f"{name}, an input of a {node.op_type}, is not defined")
        for name in filter(None, node.output):  # quantisers keep graph inputs that are now outputs of nodes
            if name in self._values or self._makers.get(name, "graph input") != "graph input":
                raise ValueError(f"{name} is defined twice")
            self._makers[name] = node.op_type

    def _visit(self, node: "onnx.NodeProto") -> None:
        from onnx import helper

        operation = node.op_type if node.domain in DOMAINS else f"{node.domain}.{node.op_type}"
        inputs = list(node.input)
        while inputs and not inputs[-1]:  # trailing optional inputs
            inputs.pop()
        output = node.output[0]
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        if operation in FOLDS and all(name in self._values for name in inputs):
            self._values[output] = self._fold(operation, inputs, attributes)
            # exporters share one array between equal parameters by an Identity named after the second parameter
            named = operation in ("Constant", "Identity")
            self._names[output] = output if named else self._names[inputs[0]].removesuffix(QUANTISED_SUFFIX)
        elif operation in LAYERS and (operation != "MatMul" or self._is_matrix(inputs[1])):
            self._add_layer(operation, inputs, output, attributes)
        elif operation in TRANSPARENT and inputs[0] not in self._values:
            self._pass_on(inputs[0], output)
        elif operation == "Dropout":
            ratio = self._values[inputs[1]] if any(inputs[1:2]) else np.float32(attributes.get("ratio", 0.5))
            self.dropout_rate = shortest(ratio) or self.dropout_rate
        elif (
            operation not in RESIZES
            and not self._adds_bias(operation, inputs, output)
            and not self._prepares(operation, inputs, output)
        ):
            for name in inputs:  # shapes, axes and pads are int64, weights are not
                if name in self._values and self._values[name].size > 1 and self._values[name].dtype != np.int64:
                    self._keep(name, self._values[name])

    def _fold(self, operation: str, inputs: list[str], attributes: Mapping[str, Any]) -> np.ndarray:
        """The result of an operation on stored arrays. A few bytes per operation could fill any memory with copies."""
        arrays = [self._values[name] for name in inputs]
        array = FOLDS[operation](*arrays, **attributes)
        if operation == "Constant":
            self._room += GROWTH * array.nbytes
        self._count(array, *arrays)
        return array

    def _count(self, array: np.ndarray, *origins: np.ndarray) -> None:
        """Counts the bytes of an array unless they are those of the arrays that it was calculated from."""
        self._room -= 0 if any(np.may_share_memory(array, origin) for origin in origins) else array.nbytes
        if self._room < 0:
            raise ValueError(f"it calculates more than {GROWTH} times the arrays that it stores")

    def _running_order(self, graph: "onnx.GraphProto") -> list[int]:
        """The indices of the layers, each after those that it depends on."""
        depths: dict[str, int] = {}  # number of layers on the longest path to a value
        sources: dict[str, list[str]] = {}
        for node in graph.node:
            inputs = [name for name in node.input if name in depths]
            depth = max((depths[name] for name in inputs), default=0)
            for output in node.output:
                depths[output] = depth + (output in self._made_by)
                sources[output] = sorted(inputs, key=lambda name: -depths[name]) if node.op_type in MERGES else inputs
        order: list[int] = []
        seen: set[str] = set()
        waiting = list(self._made_by)  # begins with the last one, which depends on all others
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            if before := [source for source in sources[name] if source not in seen]:
                waiting += [name, *reversed(before)]
                continue
            seen.add(name)
            if name in self._made_by:
                order.append(self._made_by[name])
        return order

    def _is_matrix(self, name: str) -> bool:
        return name in self._values and self._values[name].ndim == 2

    def _add_layer(self, operation: str, inputs: list[str], output: str, attributes: Mapping[str, Any]) -> None:
        kind, roles = LAYERS[operation]
        data, *names = inputs
        if not self.layers:
            self.pixels = self._begin(data)
        if not len(roles) - (roles[-1] == "bias") <= len(names) <= len(roles):
            raise ValueError(f"a {operation} has {len(names)} parameters")
        for name in names:
            if name not in self._values:
                raise PfiqError(
                    f"{self._path}: computes the parameters of a {operation} ({self._makers.get(name)}); "
                    "export it with constant folding."
                )
            if not jnp.issubdtype(self._values[name].dtype, jnp.floating):
                raise ValueError(f"{name}, of a {operation}, is {self._values[name].dtype}")
        parameters = {role: self._values[name] for role, name in zip(roles, names, strict=False)}
        if kind == "dense":
            parameters = dense(
                parameters["kernel"], parameters.get("bias"), **{k.lower(): v for k, v in attributes.items()}
            )
            self._count(parameters["kernel"], self._values[names[0]])
        arrays = {role: self._keep(name, parameters[role]) for role, name in zip(parameters, names, strict=True)}
        if kind == "norm":
            self.epsilons[arrays["mean"]] = shortest(np.float32(attributes.get("epsilon", 1e-5)))
        self._made_by[output] = len(self.layers)
        if kind in CHANNEL_AXES and "bias" not in arrays:
            self._unbiased[output] = len(self.layers)
        self.layers.append(Layer(kind, arrays))
        self.outputs.append(output)

    def _begin(self, data: str) -> tuple[float, float] | None:
        """Mean and scale of the first layer's input; None if it reads the pixels themselves."""
        if data not in self._prepared:
            raise PfiqError(
                f"{self._path}: its preprocessing includes a {self._makers.get(data)}, but only arithmetic with single "
                "numbers can be converted; export the network without it."
            )
        return None if self._prepared[data] == (0.0, 1.0) else self._prepared[data]

    def _keep(self, name: str, array: np.ndarray) -> str:
        """Adds an array to ``arrays`` and returns its unique name."""
        unique = self._names[name]
        while unique in self.arrays:
            self._uses[name] += 1
            unique = f"{self._names[name]}#{self._uses[name] + 1}"
        self.arrays[unique] = array
        return unique

    def _pass_on(self, data: str, output: str) -> None:
        if data in self._prepared:
            self._prepared[output] = self._prepared[data]
        if data in self._unbiased and self._readers[data] == 1:
            self._unbiased[output] = self._unbiased[data]

    def _operands(self, inputs: list[str]) -> tuple[str, str]:
        """The variable and the constant input of an operation that has one of each, otherwise empty names."""
        constants = [name for name in inputs if name in self._values]
        varying = [name for name in inputs if name not in self._values]
        return (varying[0], constants[0]) if len(varying) == len(constants) == 1 else ("", "")

    def _adds_bias(self, operation: str, inputs: list[str], output: str) -> bool:
        """Whether an operation adds a bias to a layer; if it does, the layer gets this bias."""
        data, constant = self._operands(inputs)
        if operation != "Add" or data not in self._unbiased or self._readers[data] > 1:
            return False
        index = self._unbiased[data]
        layer, bias = self.layers[index], self._values[constant]
        axis, length = CHANNEL_AXES[layer.kind], len(self.arrays[layer.arrays["kernel"]])
        if bias.ndim < -axis or not bias.size == bias.shape[axis] == length:
            return False
        self.layers[index] = Layer(layer.kind, {**layer.arrays, "bias": self._keep(constant, bias.reshape(-1))})
        self.outputs[index] = output
        return True

    def _prepares(self, operation: str, inputs: list[str], output: str) -> bool:
        """Whether an operation is arithmetic of the pixels with a single number; if it is, its effect is recorded."""
        data, constant = self._operands(inputs)
        if operation not in ARITHMETIC or data not in self._prepared:
            return False
        numbers = self._values[constant]
        if operation in ("Sub", "Div") and inputs[0] != data:
            return False
        if not (numbers.size and (numbers == numbers.flat[0]).all()):
            return False
        self._prepared[output] = ARITHMETIC[operation](*self._prepared[data], float(numbers.flat[0]))
        return True


def dense(
    kernel: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    alpha: float = 1,
    beta: float = 1,
    transa: int = 0,
    transb: int = 0,
) -> dict[str, np.ndarray]:
    """Kernel (out, in) and bias (out,) of ONNX's ``Gemm`` or ``MatMul``; options are Gemm's, in lower case."""
    if kernel.ndim != 2 or transa:
        raise ValueError("a Gemm is not a dense layer")
    kernel = kernel if transb else kernel.T
    scaled = {"kernel": kernel if alpha == 1 else kernel * kernel.dtype.type(alpha)}
    if bias is not None:
        bias = np.broadcast_to(bias, (1, len(kernel)))[0]
        scaled["bias"] = bias if beta == 1 else bias * bias.dtype.type(beta)
    return scaled


def shortest(number: np.ndarray | np.floating) -> float:
    """The shortest decimal number that rounds to a float."""
    return float(str(number))
