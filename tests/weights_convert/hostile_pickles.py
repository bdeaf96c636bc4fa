"""Pickles that run code, or exhaust memory or time, in a reader that is not careful."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

LAUGHS = b")" + b"2\x86" * 64  # nested pairs of the same tuple: hashing or printing it never ends


class Call:
    """Pickled as a function call, and a state for its result."""

    def __init__(self, function: Callable, *arguments: Any, state: Any = None):
        self.reduced = (function, arguments, state)

    def __reduce__(self) -> tuple:
        return self.reduced


def running(marker: Path) -> list[bytes]:
    """Pickles that would make the folder ``marker``."""
    code = f"__import__('os').mkdir({str(marker)!r})"
    dumped = [
        pickle.dumps(content, protocol)
        for protocol in (0, 2, 4)
        for content in (
            Call(os.mkdir, str(marker)),
            Call(os.system, f"mkdir {marker}"),
            Call(eval, code),
            {"layer": {"weights": Call(exec, code)}},
            Call(getattr, Call(os.mkdir, str(marker)), "real"),
        )
    ]
    name = str(marker).encode()
    return [
        *dumped,
        b"(S'%b'\nios\nmkdir\n." % name,
        b"(cos\nmkdir\nS'%b'\no." % name,
        b"cos\nmkdir\n(V%b\nt\x81." % name,
    ]


def exhausting() -> list[bytes]:
    """Pickles that claim, nest or repeat more than memory holds."""
    length = (2**62).to_bytes(8, "little")
    return [
        b"]r\xff\xff\xff\x7f.",  # index 2**31 - 1 of the memo
        b"]p999999999999999\n.",
        *(opcode + length + b"." for opcode in (b"\x8d", b"\x8e", b"\x95", b"\x96")),  # text, bytes, frame, bytearray
        *(opcode + b"\xff\xff\xff\x7f." for opcode in (b"T", b"B", b"X", b"\x8b")),
        b"I" + b"9" * 5000 + b"\n.",
        b"\x82\x01.",  # a class of Python's registry of extensions
        b"}" + LAUGHS + b"K\x01s.",
        b"}(" + LAUGHS + b"K\x01u.",
        b"(" + LAUGHS + b"K\x01d.",
        b"\x8f(" + LAUGHS + b"\x90.",
        b"(" + LAUGHS + b"\x91.",
        b"ccollections\nOrderedDict\n(((" + LAUGHS + b"K\x01tttR.",
        b"]" * 200_000 + b"a" * 199_999 + b".",
        b"]q\x00h\x00a.",  # a list that holds itself
        LAUGHS + b".",
        b"X\x05\x00\x00\x00layer" + LAUGHS + b"\x93.",
        b"(" + b"N" * 100_000 + b"tq\x00cos\nmkdir\nq\x01" + b"h\x01h\x00R" * 50_000 + b".",  # the same arguments often
        b"X" + (10**6).to_bytes(4, "little") + b"n" * 10**6 + b"q\x00" + b"h\x00h\x00\x93" * 3000 + b".",  # a long name
    ]
