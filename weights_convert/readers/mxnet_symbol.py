"""MXNet's graphs in ``-symbol.json`` files."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
LARGEST = 2**22  # bytes, ten times the size of a graph with a hundred layers
VARIABLE = "null"
NORM_EPSILON = 1e-3  # default of MXNet's BatchNorm
ALIASES = {
    "_PlusScalar": "_plus_scalar",
    "_MinusScalar": "_minus_scalar",
    "_MulScalar": "_mul_scalar",
    "_DivScalar": "_div_scalar",
    "_copy": "identity",
    "_Plus": "elemwise_add",
    "_plus": "elemwise_add",
    "flatten": "Flatten",
}


@dataclass(frozen=True, eq=False, repr=False)  # nodes share their inputs, so a repr could exhaust the memory
class Node:
    """An operation, or a variable: the pixels or an array of weights.

    Attributes:
        operation: name of the operation, with aliases resolved; VARIABLE for a variable.
        name: name of the node; for weights, of the array.
        attributes: options of the operation, as text in MXNet's format.
        inputs: the nodes whose outputs the operation reads.
    """

    operation: str
    name: str
    attributes: Mapping[str, str]
    inputs: tuple["Node", ...]

    def number(self, option: str, default: float = math.nan) -> float:
        """The finite number of an option, which is required if there is no default."""
        try:
            number = float(self.attributes.get(option, default))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{option} of {self.name!r} is not a finite number")
        return number

    def fraction(self, option: str, default: float) -> float:
        """The number in [0, 1) of an option."""
        number = self.number(option, default)
        if not 0 <= number < 1:
            raise ValueError(f"{option} of {self.name!r} is {number:g}")
        return number

    def flag(self, option: str, default: bool) -> bool:
        """The Boolean value of an option."""
        text = self.attributes.get(option, str(default)).lower()
        if text not in ("true", "1", "false", "0"):
            raise ValueError(f"{option} of {self.name!r} is neither True nor False")
        return text in ("true", "1")

    def integers(self, option: str, default: int) -> tuple[int, int]:
        """The two integers of an option, such as "(3, 3)"."""
        found = [int(digits) for digits in re.findall(r"\d+", self.attributes.get(option, ""))] or [default, default]
        if len(found) != 2:
            raise ValueError(f"{option} of {self.name!r} is not a pair")
        return found[0], found[1]


@dataclass(frozen=True)
class Symbol:
    """The part of a graph that its first output depends on.

    Attributes:
        operations: the operations in an order in which they can run; the last one returns the output.
        data: the variable of the pixels.
    """

    operations: tuple[Node, ...]
    data: Node


def read_symbol(path: Path) -> Symbol:
    """The graph of a symbol file, without the losses of training graphs, which the first output does not depend on.

    Raises:
        ValueError: if the file is not a graph, or too large for one.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError("is too large for a graph")
    content = json.loads(path.read_bytes())
    nodes: list[Node] = []
    for entry in _get(content, "nodes", list):
        nodes.append(_node(entry, nodes))
    output = _referred(next(iter(_get(content, "heads", list)), None), nodes)
    needed = {output}
    for node in reversed(nodes):
        if node in needed:
            needed.update(node.inputs)
    operations = tuple(node for node in nodes if node in needed and node.operation != VARIABLE)
    if not operations:
        raise ValueError("has no operations")
    data = output
    while data.inputs:  # an operation's first input leads to the pixels, the others are weights and shortcuts
        data = data.inputs[0]
    return Symbol(operations, data)


def _node(entry: Any, nodes: list[Node]) -> Node:
    operation, name = _get(entry, "op", str), _get(entry, "name", str)
    inputs = [_referred(reference, nodes) for reference in _get(entry, "inputs", list)]
    attributes: dict[str, str] = {}
    for key in ("attr", "param", "attrs"):  # the key depends on MXNet's version
        if key in entry:
            attributes |= _get(entry, key, dict)
    if not all(isinstance(value, str) for value in attributes.values()):
        raise ValueError(f"the attributes of {name!r} are not strings")
    if operation == "BatchNorm" and len(inputs) == 3:  # files from before version 0.9 omit the statistics
        inputs += [Node(VARIABLE, f"{name}_{statistic}", {}, ()) for statistic in ("moving_mean", "moving_var")]
    return Node(ALIASES.get(operation, operation), name, attributes, tuple(inputs))


def _referred(reference: Any, nodes: list[Node]) -> Node:
    """The node of a reference such as [7, 0] or [7, 0, 1]: node 7, its output 0, and a version."""
    match reference:
        case [int(index), 0, *_] if 0 <= index < len(nodes):
            return nodes[index]
    raise ValueError("refers to an output that does not belong to an earlier node")


def _get(entry: Any, key: str, kind: type[T]) -> T:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"lacks {key!r} of the required type")
    return value
