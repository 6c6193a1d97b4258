"""Connects to thousands of addresses, at little cost for those that do not answer.

One epoll for all connections that are under way: the way of asyncio to wait for a socket costs three times as much,
which is nothing for one node and half a core for ten thousand dead ones.
"""

import asyncio
import errno
import select
import socket
from collections import deque

_SWEEP_S = 0.05


class Connector:
    """Makes TCP connections on an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.time = loop.time
        self._epoll = select.epoll()
        self._waiting: dict[int, asyncio.Future[int | None]] = {}
        self._deadlines: deque[tuple[float, asyncio.Future[int | None]]] = deque()
        self._early: list[tuple[float, asyncio.Future[int | None]]] = []
        self._sweep: asyncio.TimerHandle | None = None
        loop.add_reader(self._epoll.fileno(), self._ready)

    async def connect(self, sock: socket.socket, target: tuple[str, int], deadline_s: float) -> int | None:
        """Connect a non-blocking socket. Return 0, the errno, or None where the deadline (loop's clock) came first.

        Raises OSError where the epoll cannot take the socket.
        """
        code = sock.connect_ex(target)
        if code != errno.EINPROGRESS:
            return code
        descriptor = sock.fileno()
        waiter: asyncio.Future[int | None] = self._loop.create_future()
        self._epoll.register(descriptor, select.EPOLLOUT | select.EPOLLONESHOT)
        self._waiting[descriptor] = waiter
        self._expect(deadline_s, waiter)
        try:
            if await waiter is None:
                return None
        finally:
            self._waiting.pop(descriptor, None)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            self._epoll.unregister(
                descriptor
            )  # a failed socket is closed by the caller, which removes it from the epoll
        return code

    def close(self) -> None:
        """Close the epoll; the loop must still be open."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _ready(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            waiter = self._waiting.get(descriptor)
            if waiter is not None and not waiter.done():
                waiter.set_result(0)

    def _expect(self, deadline_s: float, waiter: "asyncio.Future[int | None]") -> None:
        """Register a deadline. Deadlines nearly always come in order: a queue and one timer serve for all of them."""
        if not self._deadlines or deadline_s >= self._deadlines[-1][0]:
            self._deadlines.append((deadline_s, waiter))
        else:
            self._early.append((deadline_s, waiter))
        if self._sweep is None:
            self._sweep = self._loop.call_later(_SWEEP_S, self._sweep_deadlines)

    def _sweep_deadlines(self) -> None:
        now_s = self._loop.time()
        while self._deadlines and (self._deadlines[0][0] <= now_s or self._deadlines[0][1].done()):
            _give_up(self._deadlines.popleft()[1])
        for deadline_s, waiter in self._early:
            if deadline_s <= now_s:
                _give_up(waiter)
        self._early = [item for item in self._early if not item[1].done()]
        busy = self._deadlines or self._early
        self._sweep = self._loop.call_later(_SWEEP_S, self._sweep_deadlines) if busy else None


def _give_up(waiter: "asyncio.Future[int | None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
