"""The words of a text, also where no blank stands between them: Chinese, Japanese, Thai, Lao, Khmer, Burmese.

There, pairs of neighbouring characters stand in for words. No dictionary is needed, and two texts about the same thing
share some, as they would share words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

WORD = r"(?u)\b\w+\b"

_CHARACTERS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Burmese, Khmer
    "\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters, wherever used
)
_RUN = re.compile(f"([{_CHARACTERS}]+)")
_LETTER = re.compile(rf"[\w{_CHARACTERS}]")  # vowel signs are no \w

CHARACTERS_PER_WORD = 1.5
"""Of a script without blanks, where a limit counts words."""


def without_blanks(text: str) -> bool:
    """Whether most letters of a text are of a script that puts no blanks between words.

    Example:
        >>> without_blanks("绿茶很好喝"), without_blanks("a 茶 shop")
        (True, False)
    """
    return _RUN.search(text) is not None and 2 * sum(map(len, _RUN.findall(text))) > len(_LETTER.findall(text))


def words(text: str, sizes: Sequence[int] = (2,)) -> list[str]:
    """A text's words, lower case; of a script without blanks, its runs of ``sizes`` characters.

    Example:
        >>> words("Green tea: 绿茶很好")
        ['green', 'tea', '绿茶', '茶很', '很好']
    """
    found: list[str] = []
    for k, part in enumerate(_RUN.split(text.lower())):  # every other part is a run
        if k % 2 == 0:
            found += re.findall(WORD, part)
        else:
            found += [part[i : i + n] for n in sizes for i in range(max(1, len(part) - n + 1))]
    return found


def count_words(text: str) -> int:
    """How many words a text has; about how many, where no blanks tell."""
    return -int(-len(text) // CHARACTERS_PER_WORD) if without_blanks(text) else len(text.split())


def first_words(text: str, n: int) -> str:
    """A text's first ``n`` words.

    Example:
        >>> first_words("one two  three", 2), first_words("绿茶很好喝", 2)
        ('one two', '绿茶很')
    """
    return text[: int(n * CHARACTERS_PER_WORD)] if without_blanks(text) else " ".join(text.split()[:n])
