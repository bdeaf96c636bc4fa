"""The one exception for mistakes that a user can fix."""

from collections.abc import Iterable


class PfiqError(ValueError):
    """Bad input. The message is one sentence, ``what: problem; how to fix it.``

    Commands print the message alone, without a traceback.
    """


def check_format_version(path: object, found: object, readable: int, remedy: str) -> None:
    """Raises a PfiqError unless a file was written in the format version that this release reads.

    Args:
        path: the file.
        found: the version that it states.
        readable: the version that this release reads.
        remedy: what to do instead of upgrading, such as "convert the source weights again".
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
