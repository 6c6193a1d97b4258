"""Is one word another word with a typing slip?"""

import re

MAX_SLIPS = 2
_MANY = MAX_SLIPS + 1


def plain(word: str) -> str:
    """Return the word in lower case, without white space, `_`, `-` and `.`."""
    return re.sub(r"[\s_.-]", "", word).lower()


def single(word: str) -> str:
    """Return the word with each run of one letter written once."""
    return re.sub(r"(.)\1+", r"\1", word)


def slips_between(one: str, other: str) -> int:
    """Return the fewest slips that turn one word into the other; MAX_SLIPS + 1 stands for any larger number.

    A slip is one letter deleted, inserted or changed, or two neighbours exchanged (optimal string alignment distance).
    """
    if abs(len(one) - len(other)) > MAX_SLIPS or len(set(one) - set(other)) > MAX_SLIPS:
        return _MANY
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        if min(row) > MAX_SLIPS:
            return _MANY
        before, last = last, row
    return min(last[-1], _MANY)
