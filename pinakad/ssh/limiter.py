"""Limits how many logins and connections there are at once: healthy nodes never wait for nodes that hang.

A limiter bounds what is scarce: logins at work, or open connections. A node that hung last time comes after all others,
and such nodes never hold all permits. A login that takes long does not work, it waits for its node: it counts among the
`most` permits, but not among the `width` that work, so that the next one may begin.
"""

import asyncio
from collections import deque
from dataclasses import dataclass


@dataclass(slots=True)
class Permit:
    """The right to be inside. `behind`: the node hung last time. `works`: it is younger than `slow_s`."""

    behind: bool
    works: bool = True
    timer: asyncio.TimerHandle | None = None


class Limiter:
    """Gives `most` permits at once, up to `most_behind` to nodes that hung last time.

    At most `width` of the permits are younger than `slow_s` (seconds); None: without this bound.
    """

    def __init__(self, most: int, most_behind: int, width: int | None = None, slow_s: float = 0.0) -> None:
        self._loop = asyncio.get_running_loop()
        self._most = self._most_ever = most
        self._most_behind = most_behind
        self._width = width
        self._slow_s = slow_s
        self._inside = self._behind = self._working = 0
        self._plain = (Permit(behind=False), Permit(behind=True))
        self._queues: tuple[deque[asyncio.Future[Permit]], ...] = (deque(), deque())

    def is_full(self, *, behind: bool) -> bool:
        """Return whether the next `enter` has to wait."""
        return (
            self._inside >= self._most
            or (behind and self._behind >= self._most_behind)
            or (self._width is not None and self._working >= self._width)
        )

    async def enter(self, *, behind: bool) -> Permit:
        """Wait for a permit, which must be given back by `leave`."""
        if not self.is_full(behind=behind):
            return self._let_in(behind=behind)
        waiter: asyncio.Future[Permit] = self._loop.create_future()
        self._queues[behind].append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.leave(waiter.result())
            raise

    def leave(self, permit: Permit) -> None:
        """Give a permit back, so that the next one in the queue gets one."""
        self._inside -= 1
        self._behind -= permit.behind
        if permit.timer is not None:
            permit.timer.cancel()
        self._working -= permit.works
        self._call_next()

    def narrow(self) -> None:
        """Allow one less than are inside now: the system has no room for more."""
        self._most = max(1, self._inside - 1)

    def widen(self) -> None:
        """Allow one more after a success, until `narrow` is undone."""
        if self._most < self._most_ever:
            self._most += 1
            self._call_next()

    def _let_in(self, *, behind: bool) -> Permit:
        self._inside += 1
        self._behind += behind
        self._working += 1
        if self._width is None:
            return self._plain[behind]  # never changed, so shared
        permit = Permit(behind)
        permit.timer = self._loop.call_later(self._slow_s, self._is_slow, permit)
        return permit

    def _is_slow(self, permit: Permit) -> None:
        permit.works, permit.timer = False, None
        self._working -= 1
        self._call_next()

    def _call_next(self) -> None:
        for behind, queue in enumerate(self._queues):
            while queue and not self.is_full(behind=bool(behind)):
                waiter = queue.popleft()
                if not waiter.done():
                    waiter.set_result(self._let_in(behind=bool(behind)))
