"""What may listen at a node's address that is no SSH server, or a broken one?"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Behaviour = Callable[[socket.socket], None]


def says(text: bytes, *, then_close: bool = False) -> Behaviour:
    """Say something to whoever connects, and then hold the connection or close it."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(text)
        while not then_close and connection.recv(1 << 16):
            pass

    return behave


class Fakes:
    """Servers with a behaviour, each at an address of its own."""

    def __init__(self) -> None:
        self._listeners: list[socket.socket] = []
        self._connections: list[socket.socket] = []

    def serve(self, address: str, port: int, behave: Behaviour) -> None:
        """Listen, and do the same to everybody who connects."""
        listener = socket.create_server((address, port))
        self._listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener, behave), name=address, daemon=True).start()

    def never_accept(self, address: str, port: int) -> None:
        """Let nobody in, as a host does that drops packets: the queue is full, the kernel ignores who comes."""
        listener = socket.create_server((address, port), backlog=0)
        self._listeners.append(listener)
        self._connections.append(socket.create_connection((address, port)))

    def close(self) -> None:
        """End all of them."""
        for item in (*self._listeners, *self._connections):
            with suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)
            item.close()

    def _accept(self, listener: socket.socket, behave: Behaviour) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self._connections.append(connection)
                threading.Thread(target=_behave, args=(connection, behave), daemon=True).start()


def _behave(connection: socket.socket, behave: Behaviour) -> None:
    with suppress(OSError):
        behave(connection)
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
