"""Timers on the time that this process had (login/own_time.py), for an event loop."""

import asyncio
from collections.abc import Callable

from pinakad.login.own_time import TICK_S, OwnClock


class OwnTime:
    """Calls back after an own time. It costs one wake-up a tick while a timer runs."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = OwnClock()
        self._timers: dict[object, tuple[float, Callable[[], None]]] = {}
        self._tick: asyncio.TimerHandle | None = None

    def call_later(self, seconds: float, callback: Callable[[], None]) -> object:
        """Call `callback` after `seconds` of own time, on the loop's thread; return the timer, for `cancel`."""
        if self._tick is None:
            self._clock.resume(self._loop.time())
            self._tick = self._loop.call_later(TICK_S, self._advance)
        timer = object()
        self._timers[timer] = self._clock.own_s + seconds, callback
        return timer

    def cancel(self, timer: object) -> None:
        """Stop a timer; a timer that has gone off already is ignored."""
        self._timers.pop(timer, None)

    def _advance(self) -> None:
        self._clock.advance(self._loop.time())
        for timer in [timer for timer, (due_s, _) in self._timers.items() if due_s <= self._clock.own_s]:
            _, callback = self._timers.pop(timer, (0.0, _nothing))
            callback()
        self._tick = self._loop.call_later(TICK_S, self._advance) if self._timers else None


def _nothing() -> None:
    """Take the place of a timer that another timer's callback has cancelled."""
