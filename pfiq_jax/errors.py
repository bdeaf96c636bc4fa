"""The one exception for mistakes that a user can mend."""


class PfiqError(ValueError):
    """Bad input: the message is one sentence that names the culprit and the mend.

    Command lines print the message alone, without a traceback.
    """
