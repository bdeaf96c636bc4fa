"""The one exception for mistakes that a user can fix."""

from collections.abc import Iterable


class PfiqError(ValueError):
    """Bad input. The message is one sentence, ``what: problem; how to fix it.``

    Commands print the message alone, without a traceback.
    """


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Raises a PfiqError unless an option's value is one of its choices."""
    if value not in choices:
        raise PfiqError(f"{name} is {value!r}; choose one of {', '.join(map(repr, choices))}.")
