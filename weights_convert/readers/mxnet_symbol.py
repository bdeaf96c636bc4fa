"""MXNet's graphs, ``-symbol.json``."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
LARGEST = 2**22  # bytes; a network of a hundred layers takes a tenth
VARIABLE = "null"
NORM_EPSILON = 1e-3  # of a BatchNorm that states none
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


@dataclass(frozen=True, eq=False, repr=False)  # nodes share their inputs, so a repr could fill the memory
class Node:
    """An operation, or what operations read from outside the graph.

    Attributes:
        operation: by one name, where MXNet has several; VARIABLE for an array of weights or the pixels.
        name: of the array, for a variable.
        attributes: the operation's options, in MXNet's spelling.
        inputs: the nodes whose outputs it reads.
    """

    operation: str
    name: str
    attributes: Mapping[str, str]
    inputs: tuple["Node", ...]

    def number(self, option: str, default: float = math.nan) -> float:
        """The finite number that an option holds; without a default the option must be there."""
        try:
            number = float(self.attributes.get(option, default))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{option} of {self.name!r} is no finite number")
        return number

    def fraction(self, option: str, default: float) -> float:
        """A number from 0 to 1, without 1."""
        number = self.number(option, default)
        if not 0 <= number < 1:
            raise ValueError(f"{option} of {self.name!r} is {number:g}")
        return number

    def flag(self, option: str, default: bool) -> bool:
        """Whether an option is on."""
        text = self.attributes.get(option, str(default)).lower()
        if text not in ("true", "1", "false", "0"):
            raise ValueError(f"{option} of {self.name!r} is neither True nor False")
        return text in ("true", "1")

    def integers(self, option: str, default: int) -> tuple[int, int]:
        """The two integers of an option such as "(3, 3)"."""
        found = [int(digits) for digits in re.findall(r"\d+", self.attributes.get(option, ""))] or [default, default]
        if len(found) != 2:
            raise ValueError(f"{option} of {self.name!r} is no pair")
        return found[0], found[1]


@dataclass(frozen=True)
class Symbol:
    """What the first output of a graph is computed from.

    Attributes:
        operations: in an order in which they can run; the last one gives the output.
        data: the variable for the pixels.
    """

    operations: tuple[Node, ...]
    data: Node


def read_symbol(path: Path) -> Symbol:
    """The graph of a symbol file, without what only other outputs need: training graphs put their losses behind.

    Raises:
        ValueError: for a file that is no graph, or too large for one.
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
    while data.inputs:  # what is computed on comes first, weights and shortcuts behind it
        data = data.inputs[0]
    return Symbol(operations, data)


def _node(entry: Any, nodes: list[Node]) -> Node:
    operation, name = _get(entry, "op", str), _get(entry, "name", str)
    inputs = [_referred(reference, nodes) for reference in _get(entry, "inputs", list)]
    attributes: dict[str, str] = {}
    for key in ("attr", "param", "attrs"):  # which of them depends on MXNet's version
        if key in entry:
            attributes |= _get(entry, key, dict)
    if not all(isinstance(value, str) for value in attributes.values()):
        raise ValueError(f"the attributes of {name!r} are no strings")
    if operation == "BatchNorm" and len(inputs) == 3:  # before version 0.9 files left the statistics to be understood
        inputs += [Node(VARIABLE, f"{name}_{statistic}", {}, ()) for statistic in ("moving_mean", "moving_var")]
    return Node(ALIASES.get(operation, operation), name, attributes, tuple(inputs))


def _referred(reference: Any, nodes: list[Node]) -> Node:
    """The node that a reference such as [7, 0] or [7, 0, 1] means: node 7, its output 0, and a version."""
    match reference:
        case [int(index), 0, *_] if 0 <= index < len(nodes):
            return nodes[index]
    raise ValueError("refers to an output that no earlier node has")


def _get(entry: Any, key: str, kind: type[T]) -> T:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"lacks {key!r} where a graph has it")
    return value
