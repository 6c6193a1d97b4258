"""The port of a simulated machine: it refuses, it accepts and serves, or it accepts and sends a banner byte by byte."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

DRIP_S = 0.25
_BANNER = b"SSH-2.0-simulated" + b"." * 200
_BACKLOG = 16


class Port:
    """One port of one address. Every method must be called in the running event loop.

    `serve` is called with each accepted connection, except while `is_dripping`.
    """

    def __init__(self, address: str, port: int, serve: Callable[[socket.socket], None]) -> None:
        self.address, self.port = address, port
        self.is_dripping = False
        self._serve = serve
        self._socket: socket.socket | None = None
        self._served: set[socket.socket] = set()
        self._dripped_on: set[socket.socket] = set()

    def reserve(self) -> None:
        """Hold the port without listening: connections are refused, no other process can take it. Raises OSError."""
        self.close()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self.address, self.port))
        except OSError:
            self.close()
            raise

    def listen(self) -> None:
        """Accept connections on the reserved port."""
        if self._socket is not None:
            self._socket.listen(_BACKLOG)
            asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)

    def cut_connections(self) -> None:
        """End all connections; the serving threads see the end and close their sockets themselves."""
        for connection in self._served:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for connection in self._dripped_on:
            connection.close()
        self._served.clear()
        self._dripped_on.clear()

    def close(self) -> None:
        """Close the port."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        self._socket = None

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except OSError:
            return  # the client has gone since the event
        if self.is_dripping:
            self._dripped_on.add(connection)
            self._drip(connection, _BANNER)
        else:
            self._served = {known for known in self._served if known.fileno() >= 0} | {connection}
            self._serve(connection)

    def _drip(self, connection: socket.socket, rest: bytes) -> None:
        try:
            connection.send(rest[:1])
        except OSError:
            return
        if len(rest) > 1:
            asyncio.get_running_loop().call_later(DRIP_S, self._drip, connection, rest[1:])
