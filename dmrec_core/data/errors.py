"""The one error of the data room, and what it quotes."""


class DataError(ValueError):
    """Data that cannot be used; the message names where it is, what was expected and what to do."""
