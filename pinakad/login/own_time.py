"""How much time did this process have? A limit for a node must not count while this process does not run.

Where other processes take the processors, or hundreds of logins compute at once, data that a node sent long ago is read
late. Whoever checks a clock every TICK_S then wakes late, as all threads do: the later, the less is charged to a node.
"""

TICK_S = 0.02
ON_TIME_S = 0.03
"""A tick that comes later shows that this process did not run."""
LEAST = 0.1
"""The least part of any time that is charged: a limit is stretched ten times at most."""


class OwnClock:
    """A clock of the time that this process had: it must be advanced every TICK_S, or resumed after a break."""

    def __init__(self) -> None:
        self.own_s = 0.0
        self._seen_s = 0.0

    def resume(self, now_s: float) -> None:
        """Go on counting at `now_s`, on any steady clock: the time before does not count."""
        self._seen_s = now_s

    def advance(self, now_s: float) -> None:
        """Count the time since the last call."""
        self.own_s += own_part(now_s - self._seen_s)
        self._seen_s = now_s


def own_part(passed_s: float) -> float:
    """Return how many of the `passed_s` seconds between two ticks this process had."""
    if passed_s <= ON_TIME_S:
        return passed_s
    return max(ON_TIME_S * ON_TIME_S / passed_s, LEAST * passed_s)
