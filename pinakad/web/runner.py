"""Runs the application on the sockets that it is given; the only importer of uvicorn.

uvicorn wakes ten times a second at rest, and waits for ever for an open stream when it is to end
(Kludex/uvicorn#2913). Here nothing wakes it, each stream is told of the end, and the process ends when it was not
called for a while.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from signal import SIGTERM
from socket import AF_UNIX, socket
from types import FrameType
from typing import Any

from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MOST_CONNECTIONS = 64
"""Of each kind of listener: nobody on the loopback can take the connections of the unix socket."""
HEADER_LIMIT_S, BODY_LIMIT_S = 10.0, 60.0
"""A client has so long for a request's head, and for its body."""
_KEEP_ALIVE_S = 30
_END_LIMIT_S = 1


class Connection(H11Protocol):
    """One connection. Clients that are too many, or too slow, are cut off."""

    is_unix = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a connection, or close it at once."""
        kind = transport.get_extra_info("socket").family == AF_UNIX
        others = [one for one in self.connections if isinstance(one, Connection) and one.is_unix == kind]
        self.is_unix = kind
        super().connection_made(transport)
        if len(others) >= MOST_CONNECTIONS:
            transport.abort()
        else:
            self._give(HEADER_LIMIT_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes. A head that is complete gives time for the body, and a whole request for its answer."""
        before: RequestResponseCycle | None = self.cycle
        super().data_received(data)
        now: RequestResponseCycle | None = self.cycle
        if now is None or now.response_complete:
            self._give(HEADER_LIMIT_S)
        elif not now.more_body:
            self._stop_timer()
        elif now is not before:
            self._stop_timer()
            self._give(BODY_LIMIT_S)

    def pause_writing(self) -> None:
        """A reader that takes nothing is not waited for longer than for a head."""
        super().pause_writing()
        self._give(HEADER_LIMIT_S)

    def resume_writing(self) -> None:
        """The reader takes something again."""
        super().resume_writing()
        self._stop_timer()

    def _give(self, limit_s: float) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(limit_s, self._cut)

    def _cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Runner(Server):
    """uvicorn's server, which sleeps while it has nothing to do. `idle_s` None: it never ends by itself."""

    def __init__(self, config: Config, ending: asyncio.Event, idle_s: float | None) -> None:
        super().__init__(config)
        self._ending, self._idle_s = ending, idle_s

    async def main_loop(self) -> None:
        """Wait for the end: a signal, or so long without a connection."""
        while not self.should_exit:
            served = self.server_state.total_requests
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._idle_s):
                    await self._ending.wait()
            rests = not self.server_state.connections and self.server_state.total_requests == served
            self.should_exit |= rests or self._ending.is_set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals come by the loop: one at rest would not wake it otherwise."""
        loop = asyncio.get_running_loop()
        for number in (SIGTERM, 2):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, and tell the streams."""
        super().handle_exit(sig, frame)
        self._ending.set()


def run(
    make: Callable[[asyncio.Event], Any],
    sockets: Sequence[socket],
    certificate: tuple[Path, Path] | None,
    *,
    idle_s: float | None,
) -> None:
    """Serve until a signal comes or nobody calls. `make` gets the event of the end and returns the application."""
    asyncio.run(_serve(make, list(sockets), certificate, idle_s))


async def _serve(
    make: Callable[[asyncio.Event], Any],
    sockets: list[socket],
    certificate: tuple[Path, Path] | None,
    idle_s: float | None,
) -> None:
    ending = asyncio.Event()
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # it tells of its start and its end
    config = Config(
        make(ending),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_END_LIMIT_S,
        ssl_certfile=certificate[0] if certificate else None,
        ssl_keyfile=str(certificate[1]) if certificate else None,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
    )
    await _Runner(config, ending, idle_s).serve(sockets)
