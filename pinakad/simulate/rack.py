"""Several simulated nodes, and a control port that takes orders to reboot: one line from any shell."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from pinakad.simulate.node import SimulatedNode

CONTROL_ADDRESS = "127.0.0.1"
_ORDER_LIMIT_S = 5.0
_TRIES = 20


class Rack:
    """Several nodes that are up during the `async with`, and a port that takes orders for them.

    An order is the line `reboot HOSTNAME`; the answer is the line `ok`, or `error: ` and the cause. Entering raises
    OSError where an address or a port cannot be used.
    """

    def __init__(self, nodes: Sequence[SimulatedNode]) -> None:
        self.nodes = tuple(nodes)
        self.control_port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        try:
            for node in self.nodes:
                node.start()
            self._server = await asyncio.start_server(self._take_orders, CONTROL_ADDRESS, 0)
        except BaseException:
            self._stop()
            raise
        self.control_port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for node in self.nodes:
            node.stop()

    async def _take_orders(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, one order after the other; a silent client is disconnected."""
        with suppress(TimeoutError, ConnectionError, ValueError):  # ValueError: a line that does not end
            while True:
                async with asyncio.timeout(_ORDER_LIMIT_S):
                    line = await reader.readline()
                if not line:
                    break
                writer.write(self._obey(line.decode("utf-8", "replace")).encode() + b"\n")
                await writer.drain()
        writer.close()

    def _obey(self, line: str) -> str:
        match line.split():
            case ["reboot", hostname]:
                node = next((node for node in self.nodes if node.hostname == hostname), None)
            case _:
                return "error: an order is the line: reboot HOSTNAME"
        if node is None:
            return "error: there is no such node"
        return "ok" if node.order_reboot() else "error: it is not up, and does not hear"


def free_port(addresses: Sequence[str]) -> int:
    """Return a port that is free on all of the addresses. Raises OSError where there is none, or no such address."""
    for _ in range(_TRIES):
        with socket.socket() as sock:
            sock.bind((addresses[0], 0))
            port: int = sock.getsockname()[1]
        if is_free(addresses, port):
            return port
    raise OSError(f"no port is free on all of {', '.join(addresses)}")


def is_free(addresses: Sequence[str], port: int) -> bool:
    """Return whether the port is free on all of the addresses."""
    with ExitStack() as stack:
        for address in addresses:
            sock = stack.enter_context(socket.socket())
            try:
                sock.bind((address, port))
            except OSError:
                return False
    return True
