"""What a graph does to its pixels before its first layer: (pixels - mean) * scale."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

ARITHMETIC: Mapping[str, Callable[[float, float, float], tuple[float, float]]] = MappingProxyType(
    {  # from the mean and scale before, and the number, to mean and scale
        "Add": lambda mean, scale, number: (mean - number / scale, scale),
        "Sub": lambda mean, scale, number: (mean + number / scale, scale),
        "Mul": lambda mean, scale, number: (mean, scale * number),
        "Div": lambda mean, scale, number: (mean, scale / number),
    }
)
