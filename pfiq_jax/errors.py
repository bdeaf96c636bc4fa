"""The exception for errors that a user can fix."""

import numbers
from collections.abc import Iterable, Sequence


class PfiqError(ValueError):
    """Invalid input. The message is one sentence, ``what: problem; how to fix it.``

    Commands print only the message, without a traceback.

    Attributes:
        details: all problems, if the message has only the first ones.
    """

    def __init__(self, message: str, details: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.details = tuple(details)


def summarize(problems: Sequence[str], room: int) -> str:
    """The first problems with semicolons between them, as many as fit into a number of characters, but at least one."""
    number, length = 1, len(problems[0])
    while number < len(problems) and length + len(problems[number]) + 2 <= room:
        length += len(problems[number]) + 2
        number += 1
    rest = len(problems) - number
    return "; ".join((*problems[:number], *([f"and {rest} more"] if rest else [])))


class OutputError(PfiqError):
    """An output that cannot be written. Commands end with a separate exit code."""


def check_format_version(path: object, found: object, readable: int, remedy: str) -> None:
    """Raises a PfiqError unless a file was written in the format version that this release reads.

    Args:
        path: the file.
        found: the version that the file states.
        readable: the version that this release reads.
        remedy: the alternative to upgrading, such as "convert the source weights again".
    """
    if found != readable:
        raise PfiqError(
            f"{path}: was written in format version {found}, but this release reads only version {readable}; upgrade "
            f"pfiq_jax or {remedy}."
        )


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Raises a PfiqError unless an option's value is one of its choices."""
    if value not in choices:
        raise PfiqError(f"{name} is {value!r}; choose one of {', '.join(map(repr, choices))}.")


def check_count(name: str, value: object, *, least: int = 1) -> int:
    """The value of an option that is a count; raises a PfiqError unless it is a whole number of at least ``least``."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise PfiqError(f"{name} is {value!r}; give a whole number of at least {least}.")
    return int(value)


def check_share(name: str, value: object) -> float:
    """The value of an option that is a share or a rate; raises a PfiqError unless it is a number in (0, 1)."""
    number = float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else None
    if number is None or not 0 < number < 1:
        raise PfiqError(f"{name} is {value!r}; give a number between 0 and 1.")
    return number
