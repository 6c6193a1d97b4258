"""How much time had this process itself? A limit for a node must not count while this process does not run.

Where others take the processors, or hundreds of logins compute at once, what a node has sent long ago waits for us. The
loop then wakes late, as all of our threads do: the later, the less of the time is charged to anybody.
"""

import asyncio
from collections.abc import Callable

TICK_S = 0.02
ON_TIME_S = 0.03
"""A tick that comes later shows that somebody else ran."""
LEAST = 0.1
"""Of any time that passes so much is charged: a limit is stretched ten times at most."""


class OwnTime:
    """A clock of the time that the process had, with timers. It costs a wake-up a tick, while any timer runs."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._own_s = 0.0
        self._seen_s = 0.0
        self._timers: dict[object, tuple[float, Callable[[], None]]] = {}
        self._tick: asyncio.TimerHandle | None = None

    def call_later(self, seconds: float, callback: Callable[[], None]) -> object:
        """Call back after so much own time; `cancel` takes what this returns."""
        if self._tick is None:
            self._seen_s = self._loop.time()
            self._tick = self._loop.call_later(TICK_S, self._advance)
        timer = object()
        self._timers[timer] = self._own_s + seconds, callback
        return timer

    def cancel(self, timer: object) -> None:
        """Do not call back; a timer that has gone off is none any more."""
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
    """Return how much of the time between two ticks was ours."""
    if passed_s <= ON_TIME_S:
        return passed_s
    return max(ON_TIME_S * ON_TIME_S / passed_s, LEAST * passed_s)


def _nothing() -> None:
    """Stand for a timer that another one has cancelled."""
