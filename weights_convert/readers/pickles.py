"""Reads pickles as data: nothing that a pickle refers to is imported, called or changed."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

LONGEST_NAME = 1000  # characters; a pickle may use one long text for many names


@dataclass(slots=True)
class Object:
    """A dictionary, a class, a function, or the result that calling one of them would have had.

    Attributes:
        name: name of the class or function, such as ``collections.OrderedDict``.
        arguments: the arguments of the call.
        state: the state that the result would have been given.
        entries: the entries of a dictionary of any class whose keys are text. Other keys cannot be names, and hashing
            nested tuples can take unlimited time.
    """

    name: str
    arguments: Any = ()
    state: Any = None
    entries: dict[str, Any] = field(default_factory=dict)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, str | bytes) and len(key) <= LONGEST_NAME:
            self.entries[key if isinstance(key, str) else key.decode()] = value

    def append(self, item: Any) -> None:
        """Ignores the items of classes that are lists."""

    extend = append


class Unpickler(pickle._Unpickler):
    """Reads pickles of Python 2 and 3 as lists, tuples, texts, numbers and ``Object``.

    It extends the standard library's unpickler in Python, because the one in C allocates as much memory as the largest
    index in the file requires. Text of Python 2 is returned as bytes.

    Attributes:
        persistent_ids: the references to objects outside the pickle.
    """

    stack: list[Any]
    pop_mark: Callable[[], list[Any]]
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: Any):
        """Takes a file whose ``read`` never allocates more than the rest of the file: a ``BytesIO`` or an ``mmap``."""
        super().__init__(file, encoding="bytes")
        self.persistent_ids: list[Any] = []

    def find_class(self, module: str, name: str) -> Object:
        if len(module) + len(name) > LONGEST_NAME:
            raise pickle.UnpicklingError("it contains a name of a class that is too long")
        return Object(f"{module}.{name}")

    def get_extension(self, code: int) -> NoReturn:
        raise pickle.UnpicklingError(f"it refers to class {code} of Python's extension registry")

    def persistent_load(self, pid: Any) -> Object:
        self.persistent_ids.append(pid)
        match pid:
            case ("module" | b"module", Object() as module, *_):  # torch's reference to a class and its source code
                return module
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
    # Bytearrays are read as bytes, which are not allocated in advance. Sets are read as lists, which are not hashed.
    dispatch[pickle.BYTEARRAY8[0]] = dispatch[pickle.BINBYTES8[0]]
    dispatch[pickle.EMPTY_SET[0]] = dispatch[pickle.EMPTY_LIST[0]]
    dispatch[pickle.ADDITEMS[0]] = dispatch[pickle.APPENDS[0]]
    dispatch[pickle.FROZENSET[0]] = dispatch[pickle.LIST[0]]
