"""The preprocessing ``(pixels - mean) * scale`` at the beginning of a graph."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

ARITHMETIC: Mapping[str, Callable[[float, float, float], tuple[float, float]]] = MappingProxyType(
    {  # (mean, scale, number) of an operation to the new (mean, scale)
        "Add": lambda mean, scale, number: (mean - number / scale, scale),
        "Sub": lambda mean, scale, number: (mean + number / scale, scale),
        "Mul": lambda mean, scale, number: (mean, scale * number),
        "Div": lambda mean, scale, number: (mean, scale / number),
    }
)
