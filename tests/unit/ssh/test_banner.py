"""Real sockets: what does an address say before anybody logs in, and how long may it take?"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from pinakad.login.messages import CLIENT_BANNER
from pinakad.polling.vocabulary import NodeReason, Rung
from pinakad.ssh.banner import Failure, Limits, Reached, reach
from pinakad.ssh.tcp import Connector

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BANNER = b"SSH-2.0-OpenSSH_9.2p1\r\n"
KEX = b"\0\0\0\x1c\x0a\x14"
SHORT = Limits(0.3, 0.3, 0.3)
LONG = Limits(5, 5, 5)


@pytest.fixture
async def connector() -> AsyncIterator[Connector]:
    connector = Connector(asyncio.get_running_loop())
    yield connector
    connector.close()


@asynccontextmanager
async def server(serve: Serve, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve on a free port as long as the block runs."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(one, host, 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()


def says(*parts: bytes, then: str = "wait") -> Serve:
    """Return a server that says these parts, each in a packet of its own, and then waits for the end or closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        if then == "wait":
            await reader.read()
        elif then == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    return serve


def a_byte_at_a_time(text: bytes) -> Serve:
    return says(*(bytes([byte]) for byte in text))


def failed(found: Reached | Failure) -> tuple[Rung | None, NodeReason]:
    if isinstance(found, Reached):
        found.sock.close()
    assert isinstance(found, Failure), found
    assert found.message
    return found.rung, found.reason


@pytest.mark.parametrize(
    "serve",
    [
        says(BANNER + KEX),
        says(BANNER, KEX),
        says(b"SSH-1.99-x\n", KEX),
        says(b"welcome\r\nto this machine\r\n" + BANNER, KEX),
        a_byte_at_a_time(b"hello\n" + BANNER + KEX),
        says(b"SSH-2.0-" + b"x" * 200 + b"\r\n", KEX),
    ],
)
async def test_a_server_that_begins_the_key_exchange_is_reached_and_its_banner_is_not_consumed(
    connector: Connector, serve: Serve
) -> None:
    async with server(serve) as port:
        found = await reach(connector, "127.0.0.1", port, LONG)
        assert isinstance(found, Reached)
        raw = found.sock.recv(10_000)
        assert b"SSH-" in raw
        assert 0 < found.left_s <= LONG.key_exchange_s
        found.sock.close()


async def test_the_server_has_our_banner_once_it_gave_its_own(connector: Connector) -> None:
    heard = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BANNER)
        heard.set_result(await reader.readline())
        writer.write(KEX)
        await reader.read()

    async with server(serve) as port:
        found = await reach(connector, "127.0.0.1", port, LONG)
        assert isinstance(found, Reached)
        assert await heard == CLIENT_BANNER
        found.sock.close()


@pytest.mark.parametrize(
    ("serve", "expected"),
    [
        (says(then="close"), (Rung.CONNECT, NodeReason.NOT_SSH)),
        (says(then="reset"), (Rung.CONNECT, NodeReason.NOT_SSH)),
        (says(b"SSH-2.0-cut", then="close"), (Rung.CONNECT, NodeReason.NOT_SSH)),
        (says(b"SSH-1.5-old\n"), (Rung.CONNECT, NodeReason.NOT_SSH)),
        (says(b"\xff\x00" * 8192), (Rung.CONNECT, NodeReason.NOT_SSH)),
        (says(b"line\n" * 4000), (Rung.CONNECT, NodeReason.NOT_SSH)),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n", then="close"), (Rung.CONNECT, NodeReason.NOT_SSH)),
        (says(BANNER, then="close"), (Rung.BANNER, NodeReason.ERROR)),
    ],
)
async def test_what_is_no_ssh_server_is_known_before_any_limit(
    connector: Connector, serve: Serve, expected: tuple[Rung, NodeReason]
) -> None:
    async with server(serve) as port:
        assert failed(await reach(connector, "127.0.0.1", port, LONG)) == expected


@pytest.mark.parametrize(
    ("serve", "expected", "said"),
    [
        (says(), (Rung.CONNECT, NodeReason.BANNER_TIMEOUT), "nothing"),
        (says(b"SSH-2.0-slow"), (Rung.CONNECT, NodeReason.BANNER_TIMEOUT), 'only "SSH-2.0-slow"'),
        (says(b"\x1b[2J"), (Rung.CONNECT, NodeReason.BANNER_TIMEOUT), 'only "\\x1b[2J"'),
        (says(BANNER), (Rung.BANNER, NodeReason.TIMEOUT), "no key exchange"),
    ],
)
async def test_who_says_nothing_or_too_little_runs_into_its_limit(
    connector: Connector, serve: Serve, expected: tuple[Rung, NodeReason], said: str
) -> None:
    async with server(serve) as port:
        began_s = asyncio.get_running_loop().time()
        found = await reach(connector, "127.0.0.1", port, SHORT)
        assert failed(found) == expected
        assert isinstance(found, Failure)
        assert said in found.message
        assert 0.25 < asyncio.get_running_loop().time() - began_s < 3


async def test_dripping_bytes_does_not_buy_more_time(connector: Connector) -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with server(drip) as port:
        began_s = asyncio.get_running_loop().time()
        found = await reach(connector, "127.0.0.1", port, SHORT)
        assert failed(found) == (Rung.CONNECT, NodeReason.BANNER_TIMEOUT)
        assert asyncio.get_running_loop().time() - began_s < 3


async def test_everything_is_cut_at_the_common_end(connector: Connector) -> None:
    loop = asyncio.get_running_loop()
    async with server(says()) as port:
        began_s = loop.time()
        found = await reach(connector, "127.0.0.1", port, Limits(60, 60, 60, cut_s=began_s + 0.2))
        assert failed(found) == (Rung.CONNECT, NodeReason.BANNER_TIMEOUT)
        assert loop.time() - began_s < 3


async def test_a_port_where_nobody_listens_refuses_at_once(connector: Connector) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        found = await reach(connector, "127.0.0.1", unused.getsockname()[1], LONG)
    assert failed(found) == (None, NodeReason.REFUSED)


async def test_a_queue_that_is_full_answers_nobody(connector: Connector) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            found = await reach(connector, "127.0.0.1", full.getsockname()[1], SHORT)
    assert failed(found) == (None, NodeReason.TIMEOUT)


@pytest.mark.parametrize("address", ["no-such-name.invalid", "a" * 64 + ".invalid"])
async def test_a_name_that_nobody_knows_is_unresolved(connector: Connector, address: str) -> None:
    assert failed(await reach(connector, address, 22, LONG)) == (None, NodeReason.UNRESOLVED)


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "localhost"), ("::1", "::1")])
async def test_names_and_ipv6_are_addresses_too(connector: Connector, host: str, address: str) -> None:
    async with server(says(BANNER, KEX), host) as port:
        found = await reach(connector, address, port, LONG)
        assert isinstance(found, Reached), found
        found.sock.close()


async def test_an_attempt_that_is_cancelled_leaves_no_socket(connector: Connector) -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()

    async with server(serve) as port:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await reach(connector, "127.0.0.1", port, LONG)
        async with asyncio.timeout(5):
            await gone.wait()
