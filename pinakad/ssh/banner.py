"""Does an SSH server answer at this address? One TCP connection and its banner, no more.

Attempts at dead nodes end here, without a thread and without cryptography. The banner is peeked at, not consumed, so
that the login can use the same connection. An SSH server that sent its banner gets ours at once: only a server that
then begins the key exchange is worth a thread.
"""

import asyncio
import errno
import os
import socket
from dataclasses import dataclass
from functools import cache

from pinakad.linux.shortage import is_shortage
from pinakad.login.messages import CLIENT_BANNER
from pinakad.polling.vocabulary import NodeReason, Rung
from pinakad.printable import cause_of, printable
from pinakad.ssh.resolve import resolve
from pinakad.ssh.tcp import Connector

MAX_BANNER_BYTES = 8192
"""The most that a server may send up to the end of its banner (RFC 4253, section 4.2: lines of 255 characters)."""

_REASONS = {
    errno.ECONNREFUSED: NodeReason.REFUSED,
    errno.ECONNRESET: NodeReason.REFUSED,
    errno.ETIMEDOUT: NodeReason.TIMEOUT,
    errno.EHOSTUNREACH: NodeReason.UNREACHABLE,
    errno.ENETUNREACH: NodeReason.UNREACHABLE,
    errno.EHOSTDOWN: NodeReason.UNREACHABLE,
    errno.ENETDOWN: NodeReason.UNREACHABLE,
    errno.EACCES: NodeReason.UNREACHABLE,  # a local firewall rule of type prohibit
    errno.EPERM: NodeReason.UNREACHABLE,
    errno.EADDRNOTAVAIL: NodeReason.UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt ended before a login: the last rung that was reached, the reason, and a sentence.

    `is_ours`: this machine lacked something, which says nothing about the node.
    """

    rung: Rung | None
    reason: NodeReason
    message: str
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each step may take, in seconds, and when the attempt is cut (`cut_s`, on the loop's clock)."""

    connect_s: float
    banner_s: float
    key_exchange_s: float
    cut_s: float | None = None

    def until(self, now_s: float, limit_s: float) -> float:
        """Return when a step that begins at `now_s` must be done, on the loop's clock."""
        return now_s + limit_s if self.cut_s is None else min(now_s + limit_s, self.cut_s)


@dataclass(frozen=True, slots=True)
class Reached:
    """A server that begins the key exchange, with a non-blocking socket; `left_s` seconds remain for the exchange."""

    sock: socket.socket
    left_s: float


async def reach(connector: Connector, address: str, port: int, limits: Limits) -> Reached | Failure:
    """Connect, wait for the banner and for the beginning of the key exchange; nothing but a cancellation is raised.

    The banner is still unread in the socket of the result, and CLIENT_BANNER was sent. `address` is an IPv4 or IPv6
    address or a name.
    """
    found = _literal(address, port) or await _resolve_in_time(address, port, limits)
    if isinstance(found, Failure):
        return found
    kind, target = found
    try:
        sock = socket.socket(kind, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError as error:
        return Failure(None, NodeReason.ERROR, f"pinakad has no socket: {cause_of(error)}", is_ours=True)
    try:
        code = await connector.connect(sock, target, limits.until(connector.time(), limits.connect_s))
        result = _unconnected(code) if code != 0 else await _talk(sock, limits)
    except OSError as error:  # of the epoll: an error of the connection itself is a result
        sock.close()
        return Failure(None, NodeReason.ERROR, f"pinakad cannot wait for it: {cause_of(error)}", is_ours=True)
    except BaseException:
        sock.close()
        raise
    if isinstance(result, Failure):
        sock.close()
    return result


async def _talk(sock: socket.socket, limits: Limits) -> Reached | Failure:
    loop = asyncio.get_running_loop()
    length = await _wait_for_banner(sock, limits)
    if isinstance(length, Failure):
        return length
    began_s = loop.time()
    failure = await _wait_for_key_exchange(sock, length, limits)
    left_s = limits.key_exchange_s - (loop.time() - began_s)
    return failure or Reached(sock, max(left_s, limits.key_exchange_s / 2))  # this process may have been late


_Endpoint = tuple[socket.AddressFamily, tuple[str, int]]


def _literal(address: str, port: int) -> _Endpoint | None:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address)
        except OSError:
            continue
        return family, (address, port)
    return None


async def _resolve_in_time(address: str, port: int, limits: Limits) -> _Endpoint | Failure:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(limits.until(loop.time(), limits.connect_s)):
            family, found = await resolve(address)
    except TimeoutError:
        return Failure(None, NodeReason.UNRESOLVED, f"the name {address} was not resolved in time")
    except (OSError, UnicodeError) as error:
        text = f"cannot resolve the name {address}: {cause_of(error)}"
        return Failure(None, NodeReason.UNRESOLVED, text, is_ours=is_shortage(error))
    return family, (found, port)


@cache
def _unconnected(code: int | None) -> Failure:
    if code is None:
        return Failure(None, NodeReason.TIMEOUT, "nothing answered the connection")
    is_ours = code == errno.EADDRNOTAVAIL or is_shortage(OSError(code, ""))  # no local port is left (connect(2))
    text = f"cannot connect: {os.strerror(code).lower()}"
    return Failure(None, _REASONS.get(code, NodeReason.ERROR), text, is_ours)


async def _wait_for_banner(sock: socket.socket, limits: Limits) -> int | Failure:
    """Return the length in bytes of the banner with the lines before it."""
    loop = asyncio.get_running_loop()
    deadline_s = limits.until(loop.time(), limits.banner_s)
    seen, length = b"", 0
    while not (length := _banner_length(seen)):
        if len(seen) >= MAX_BANNER_BYTES:
            return Failure(Rung.CONNECT, NodeReason.NOT_SSH, f"it said {_shown(seen)}, which is no SSH banner")
        more = await _peek_more(sock, len(seen), deadline_s)
        if more is None:
            said = f"only {_shown(seen)}" if seen else "nothing"
            return Failure(Rung.CONNECT, NodeReason.BANNER_TIMEOUT, f"it accepted the connection and said {said}")
        if len(more) == len(seen):
            return Failure(Rung.CONNECT, NodeReason.NOT_SSH, "it closed the connection before an SSH banner")
        seen = more
    line = seen[:length].splitlines()[-1]
    if not line.startswith((b"SSH-2.0-", b"SSH-1.99-")):
        return Failure(Rung.CONNECT, NodeReason.NOT_SSH, f"it speaks {_shown(line)}, SSH 2.0 is needed")
    return length


async def _wait_for_key_exchange(sock: socket.socket, length: int, limits: Limits) -> Failure | None:
    """Send our banner and wait until the node has sent something after its own; None where it has."""
    loop = asyncio.get_running_loop()
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a login is small messages that are awaited
        sock.send(CLIENT_BANNER)
    except OSError as error:
        text = f"the connection ended after the banner: {cause_of(error)}"
        return Failure(Rung.BANNER, NodeReason.ERROR, text, is_shortage(error))
    more = await _peek_more(sock, length, limits.until(loop.time(), limits.key_exchange_s))
    if more is None:
        return Failure(Rung.BANNER, NodeReason.TIMEOUT, "it gave its banner and then no key exchange")
    if len(more) <= length:
        return Failure(Rung.BANNER, NodeReason.ERROR, "it closed the connection after its banner")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
    return None


async def _peek_more(sock: socket.socket, known: int, deadline_s: float) -> bytes | None:
    """Return all unread bytes, without consuming them, once there are more than `known` or the connection ended.

    None: the deadline (loop's clock) came first. SO_RCVLOWAT (socket(7)) prevents wake-ups for the bytes that are known
    already.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, known + 1)
    if not await _readable(sock, deadline_s):
        return None
    try:
        return sock.recv(MAX_BANNER_BYTES * 2, socket.MSG_PEEK)
    except BlockingIOError:
        return b"\0" * known
    except OSError:
        return b"\0" * known  # reset: no more bytes will come


async def _readable(sock: socket.socket, deadline_s: float) -> bool:
    """Wait until the socket is readable; return False where the deadline (loop's clock) comes first."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[bool] = loop.create_future()
    descriptor = sock.fileno()
    loop.add_reader(descriptor, _settle, waiter, True)
    timer = loop.call_at(deadline_s, _settle, waiter, False)
    try:
        return await waiter
    finally:
        timer.cancel()
        loop.remove_reader(descriptor)


def _settle(waiter: "asyncio.Future[bool]", value: bool) -> None:
    if not waiter.done():
        waiter.set_result(value)


def _banner_length(seen: bytes) -> int:
    """Return the length of the banner with the lines before it, 0 while the banner is incomplete."""
    start = 0 if seen.startswith(b"SSH-") else seen.find(b"\nSSH-") + 1
    if not start and not seen.startswith(b"SSH-"):
        return 0
    return seen.find(b"\n", start) + 1


def _shown(raw: bytes) -> str:
    return '"' + printable(raw[:60].decode("ascii", "replace").strip(), 60) + '"'
