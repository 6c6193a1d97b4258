"""How many nodes are changed before it is known that the change is good: one, some, the rest."""

from collections.abc import Sequence
from math import ceil

LEAST_OF_A_SHARE = 2


def waves_of(number: int, settings: Sequence[int | str]) -> list[range]:
    """Return which of `number` nodes are in each wave, in order. A share ("10%") is of all, and two nodes at least.

    What the last one leaves is a wave of its own, so that no node is forgotten.
    """
    found, begin = [], 0
    for setting in (*settings, number):
        size = setting if isinstance(setting, int) else max(LEAST_OF_A_SHARE, ceil(number * _share(setting)))
        end = min(number, begin + size)
        if end > begin:
            found.append(range(begin, end))
        begin = end
    return found


def _share(text: str) -> float:
    return int(text.removesuffix("%")) / 100
