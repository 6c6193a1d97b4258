"""How much time did this process have? A limit for a node must not count while this process does not run.

Where other processes take the processors, or hundreds of logins compute at once, data that a node sent long ago is read
late. The loop then wakes late, as all of our threads do: the later it wakes, the less of the time is charged to a node.
"""

import asyncio
from collections.abc import Callable

TICK_S = 0.02
ON_TIME_S = 0.03
"""A tick that comes later shows that this process did not run."""
LEAST = 0.1
"""The least part of any time that is charged: a limit is stretched ten times at most."""


class OwnTime:
    """A clock of the time that this process had, with timers. It costs one wake-up a tick while a timer runs."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._own_s = 0.0
        self._seen_s = 0.0
        self._timers: dict[object, tuple[float, Callable[[], None]]] = {}
        self._tick: asyncio.TimerHandle | None = None

    def call_later(self, seconds: float, callback: Callable[[], None]) -> object:
        """Call `callback` after `seconds` of own time, on the loop's thread; return the timer, for `cancel`."""
        if self._tick is None:
            self._seen_s = self._loop.time()
            self._tick = self._loop.call_later(TICK_S, self._advance)
        timer = object()
        self._timers[timer] = self._own_s + seconds, callback
        return timer

    def cancel(self, timer: object) -> None:
        """Stop a timer; a timer that has gone off already is ignored."""
        self._timers.pop(timer, None)

    def _advance(self) -> None:
        now_s = self._loop.time()
        self._own_s += own_part(now_s - self._seen_s)
        self._seen_s = now_s
        for timer in [timer for timer, (due_s, _) in self._timers.items() if due_s <= self._own_s]:
            _, callback = self._timers.pop(timer, (0.0, _nothing))
            callback()
        self._tick = self._loop.call_later(TICK_S, self._advance) if self._timers else None


def own_part(passed_s: float) -> float:
    """Return how many of the `passed_s` seconds between two ticks this process had."""
    if passed_s <= ON_TIME_S:
        return passed_s
    return max(ON_TIME_S * ON_TIME_S / passed_s, LEAST * passed_s)


def _nothing() -> None:
    """Take the place of a timer that another timer's callback has cancelled."""
