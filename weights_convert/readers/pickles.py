"""Pickles as data: nothing that a pickle names is imported, called or changed."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn


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
    arguments: tuple = ()
    state: Any = None
    entries: dict[str, Any] = field(default_factory=dict)

    def __call__(self, *arguments: Any) -> "Object":
        made = Object(self.name, arguments)
        if self.name == "collections.OrderedDict":  # Python 2 hands it its entries as an argument
            for key, value in arguments[0] if arguments else ():
                made[key] = value
        return made

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, bytes):
            key = key.decode()
        if isinstance(key, str):
            self.entries[key] = value

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
        return Object(f"{module}.{name}")

    def get_extension(self, code: int) -> NoReturn:
        raise pickle.UnpicklingError(f"it refers to class {code} of a registry of Python's")

    def persistent_load(self, pid: Any) -> Object:
        self.persistent_ids.append(pid)
        return Object("persistent_id", (pid,))

    def load_empty_dictionary(self) -> None:
        self.stack.append(Object("dict"))

    dispatch[pickle.EMPTY_DICT[0]] = load_empty_dictionary

    def load_build(self) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Object):
            self.stack[-1].state = state

    dispatch[pickle.BUILD[0]] = load_build

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.load_empty_dictionary()
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][key] = value

    dispatch[pickle.DICT[0]] = load_dict
    # What does the same to the stack without making an object, hashing, or asking for memory before the bytes are read.
    dispatch[pickle.NEWOBJ[0]] = dispatch[pickle.REDUCE[0]]
    dispatch[pickle.BYTEARRAY8[0]] = dispatch[pickle.BINBYTES8[0]]
    dispatch[pickle.EMPTY_SET[0]] = dispatch[pickle.EMPTY_LIST[0]]
    dispatch[pickle.ADDITEMS[0]] = dispatch[pickle.APPENDS[0]]
    dispatch[pickle.FROZENSET[0]] = dispatch[pickle.LIST[0]]
