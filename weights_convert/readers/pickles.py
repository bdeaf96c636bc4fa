"""Pickles as data: nothing that a pickle names is imported, called or changed."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

LONGEST_NAME = 1000  # a pickle may use one long text for many names


@dataclass(slots=True)
class Object:
    """A dictionary, a class, a function, or what one of these would have made.

    Attributes:
        name: of the class or function, as ``collections.OrderedDict``.
        arguments: that it would have been called with.
        state: that would have been given to what it made.
        entries: of a dictionary of any class, so far as their keys are text: only these can be names, and a nest of
            tuples as a key can take forever to hash.
    """

    name: str
    arguments: Any = ()
    state: Any = None
    entries: dict[str, Any] = field(default_factory=dict)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, str | bytes) and len(key) <= LONGEST_NAME:
            self.entries[key if isinstance(key, str) else key.decode()] = value

    def append(self, item: Any) -> None:
        """Items of classes that are lists are left out."""

    extend = append


class Unpickler(pickle._Unpickler):
    """Reads pickles of Python 2 and 3 into lists, tuples, texts, numbers and ``Object``.

    It stands on the standard library's unpickler in Python: that in C allocates as many places as the largest index in
    the file says. Text of Python 2 comes as bytes.

    Attributes:
        persistent_ids: the references to what lies outside the pickle.
    """

    stack: list[Any]
    pop_mark: Callable[[], list[Any]]
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: Any):
        """Takes a file whose ``read`` asks for no more memory than is left of it: a ``BytesIO`` or an ``mmap``."""
        super().__init__(file, encoding="bytes")
        self.persistent_ids: list[Any] = []

    def find_class(self, module: str, name: str) -> Object:
        if len(module) + len(name) > LONGEST_NAME:
            raise pickle.UnpicklingError("it names a class by more than a name")
        return Object(f"{module}.{name}")

    def get_extension(self, code: int) -> NoReturn:
        raise pickle.UnpicklingError(f"it refers to class {code} of a registry of Python's")

    def persistent_load(self, pid: Any) -> Object:
        self.persistent_ids.append(pid)
        return Object("persistent_id", (pid,))

    def load_reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(Object(function.name, arguments))

    dispatch[pickle.REDUCE[0]] = dispatch[pickle.NEWOBJ[0]] = load_reduce

    def load_build(self) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Object):
            self.stack[-1].state = state

    dispatch[pickle.BUILD[0]] = load_build

    def load_empty_dictionary(self) -> None:
        self.stack.append(Object("dict"))

    dispatch[pickle.EMPTY_DICT[0]] = load_empty_dictionary

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.load_empty_dictionary()
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][key] = value

    dispatch[pickle.DICT[0]] = load_dict
    # Bytearrays may be bytes, which are not allocated before they are read; and sets lists, which hash nothing.
    dispatch[pickle.BYTEARRAY8[0]] = dispatch[pickle.BINBYTES8[0]]
    dispatch[pickle.EMPTY_SET[0]] = dispatch[pickle.EMPTY_LIST[0]]
    dispatch[pickle.ADDITEMS[0]] = dispatch[pickle.APPENDS[0]]
    dispatch[pickle.FROZENSET[0]] = dispatch[pickle.LIST[0]]
