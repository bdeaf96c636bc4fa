"""The one exception for mistakes that a user can mend."""

from collections.abc import Iterable


class PfiqError(ValueError):
    """Bad input: the message is one sentence that names the culprit and the mend.

    Command lines print the message alone, without a traceback.
    """


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Raises a PfiqError unless an option's value is one of its choices."""
    if value not in choices:
        raise PfiqError(f"{name} is {value!r}; choose one of {', '.join(map(repr, choices))}.")
