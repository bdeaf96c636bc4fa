"""Dataclasses as pytrees, with descriptions that never cause a recompilation."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax


class Descriptions(tuple[Any, ...]):
    """Values that do not change what a program computes: all compare equal, so no jit key depends on them."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Descriptions)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return 0


def register(cls: type, *, leaves: Sequence[str], static: Sequence[str], descriptions: Sequence[str]) -> None:
    """Registers a dataclass as a pytree.

    Args:
        cls: the dataclass; every field is in one of the three lists.
        leaves: fields that hold pytrees of arrays.
        static: fields that programs depend on: hashable, part of every jit key.
        descriptions: fields that programs must not depend on. A program that ``jax.jit`` has compiled for one object
            is also used for objects with other descriptions.
    """

    def flatten_with_keys(tree: Any) -> tuple[list[tuple[jax.tree_util.GetAttrKey, Any]], tuple[Any, ...]]:
        children = [(jax.tree_util.GetAttrKey(name), getattr(tree, name)) for name in leaves]
        fixed = tuple(getattr(tree, name) for name in static)
        return children, (fixed, Descriptions(getattr(tree, name) for name in descriptions))

    def flatten(tree: Any) -> tuple[list[Any], tuple[Any, ...]]:
        children, auxiliary = flatten_with_keys(tree)
        return [child for _, child in children], auxiliary

    def unflatten(auxiliary: tuple[Any, ...], children: Iterable[Any]) -> Any:
        fixed, described = auxiliary
        tree: Any = object.__new__(cls)  # without checks, since JAX may replace leaves by other objects
        names = (*leaves, *static, *descriptions)
        for name, value in zip(names, (*children, *fixed, *described), strict=True):
            object.__setattr__(tree, name, value)
        return tree

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
