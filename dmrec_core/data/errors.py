"""The one error of the data room, and what it quotes."""


class DataError(ValueError):
    """Data that cannot be used; the message names where it is, what was expected and what to do."""


def brief(value: object, longest: int = 60) -> str:
    """A value as a message quotes it: its beginning where it is long.

    Example:
        >>> brief("tea-01"), brief("x" * 1000, longest=5)
        ('tea-01', 'xxxxx...')
    """
    text = str(value)
    return text if len(text) <= longest else f"{text[:longest]}..."
