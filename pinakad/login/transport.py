"""Bounds what a server may send, and what reading it may cost.

A node may be hostile, and much of what the library does with a message cannot be interrupted, so messages are bounded
here, before the library handles them. A packet has at most MAX_PACKET_BYTES (RFC 4253, section 6.1, asks for 35,000). A
field that ends after its message is refused (the library fills it up with zeros, to 1 MiB). An integer has at most
MAX_INTEGER_BYTES (the library needs quadratic time for them). An endless stream is slowed down.

prober.py bounds the time of the whole attempt, limiter.py the attempts at all nodes together, banner.py the banner.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import paramiko
from paramiko.channel import Channel
from paramiko.common import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_DEBUG,
    MSG_IGNORE,
    MSG_KEXINIT,
    MSG_NAMES,
)
from paramiko.message import Message
from paramiko.packet import Packetizer

from pinakad.login.messages import CLIENT_BANNER

if TYPE_CHECKING:
    import socket

    from typing_extensions import Buffer

MAX_PACKET_BYTES = 40_000
MAX_INTEGER_BYTES = 2080
"""An RSA modulus of 16,384 bits, the longest that OpenSSH knows (sshkey.h, SSHBUF_MAX_BIGNUM)."""
MAX_BLOB_BYTES = 4096
"""The most bytes of a host key or a signature; for an integer of this size the library needs one millisecond."""
MAX_KEY_EXCHANGES = 16
"""The most key exchanges in one login: sshd asks for one after each GiB, or by configuration after each 16 MiB."""
WINDOW_BYTES = 1 << 18
"""The window of a channel (RFC 4254, section 5.2), and so the most that is kept in memory of a node's output."""
_FREE_COST = 2 << 20
"""The cost that a login may receive without being slowed down: bytes, and _PACKET_COST for each packet."""
_PACKET_COST = 4000
_COST_PER_S = 16 << 20
"""The cost that all further packets together may have: a sixth of a core, whatever their size."""
_FOREVER_S = 1e9

# no CBC, 3DES, MD5, SHA-1, and no group exchange, in which the server chooses how long the client computes
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
"""First the ciphers that need no MAC: the library compares a MAC byte by byte, a sixth of the CPU of a login."""
_MACS = ("hmac-sha2-256", "hmac-sha2-512", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")
_NO_KEX = "diffie-hellman-group-exchange"


class Pace:
    """Limits what floods may cost, for all logins together. Used from several threads.

    `workers` processes share the limit evenly.
    """

    def __init__(self, workers: int = 1) -> None:
        self._cost_per_s = _COST_PER_S / workers
        self._lock = threading.Lock()
        self._free_s = 0.0

    def delay_s(self, cost: int) -> float:
        """Return after how many seconds the next packet, of this cost, may be received."""
        with self._lock:
            now_s = time.monotonic()
            self._free_s = max(self._free_s, now_s) + cost / self._cost_per_s
            return self._free_s - now_s


class StrictMessage(Message):
    """A message whose fields must be complete, and whose integers must be no longer than SSH uses."""

    def get_bytes(self, n: int) -> bytes:
        """Return the next `n` bytes. Raises SSHException where there are fewer."""
        found = self.packet.read(n)
        if len(found) < n:
            raise paramiko.SSHException("a message of it ends within a field")
        return found

    def get_mpint(self) -> int:
        """Return the next integer. Raises SSHException where it is too long."""
        raw = self.get_binary()
        if len(raw) > MAX_INTEGER_BYTES:
            raise paramiko.SSHException(f"it sends an integer of {len(raw)} bytes")
        return int.from_bytes(raw, "big", signed=True)


class _Packets(Packetizer):
    """Receives packets within bounds; without the banner, which was sent before, and without the library's timer."""

    def __init__(self, sock: "socket.socket", pace: Pace, was_cut: threading.Event) -> None:
        super().__init__(sock)
        self._pace = pace
        self._was_cut = was_cut
        self._banner_was_sent = False
        self._cost = self._key_exchanges = 0

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Receive `n` bytes of a packet. Raises SSHException for a wrong size, and EOFError after a cut.

        After a cut the bytes that the kernel still holds are not read.
        """
        if not 0 <= n <= MAX_PACKET_BYTES:
            raise paramiko.SSHException(f"it sends a packet of more than {MAX_PACKET_BYTES} bytes, or of too few")
        if self._was_cut.is_set():
            raise EOFError
        return super().read_all(n, check_rekey)

    def read_message(self) -> tuple[int, Message]:
        """Return type and content of the next message. Raises SSHException where it is not allowed."""
        kind, message = super().read_message()
        content = message.asbytes()
        self._slow_down(_PACKET_COST + len(content))
        if kind not in MSG_NAMES:
            raise paramiko.SSHException(f"it sends a message of type {kind}, which is none")
        if kind == MSG_KEXINIT:
            self._key_exchanges += 1
            if self._key_exchanges > MAX_KEY_EXCHANGES:
                raise paramiko.SSHException("it never ceases to ask for new keys")
        if kind == MSG_DEBUG:  # the library makes a log line of it, in quadratic time
            kind, content = MSG_IGNORE, b""
        strict = StrictMessage(content)
        strict.seqno = message.seqno
        return kind, strict

    def write_all(self, out: "Buffer") -> None:
        """Send, except for the banner, which banner.py has sent."""
        if not self._banner_was_sent:
            self._banner_was_sent = True
            return
        super().write_all(out)

    def start_handshake(self, timeout: float) -> None:
        """Start no timer: it would be one more thread for each login, and outlive the login."""

    def _slow_down(self, cost: int) -> None:
        self._cost += cost
        if self._cost > _FREE_COST:
            self._was_cut.wait(self._pace.delay_s(cost))


def _keep(channel: Channel, message: Message) -> None:
    """Keep the output, up to the window: more would fill the memory. Raises SSHException."""
    _feed(channel, message.get_binary())


def _leave_out(channel: Channel, message: Message) -> None:
    """Drop the error output, and keep as many NUL bytes instead: reading them counts for the window."""
    message.get_int()
    _feed(channel, bytes(len(message.get_binary())))


def _feed(channel: Channel, data: bytes) -> None:
    if len(channel.in_buffer) + len(data) > WINDOW_BYTES + MAX_PACKET_BYTES:
        raise paramiko.SSHException("it sends more than it may at once")
    channel._feed(data)  # type: ignore[attr-defined] # noqa: SLF001 - the library's own handler of such a message


class Transport(paramiko.Transport):
    """The client's side of one connection. `end` ends it from any thread, `was_cut` its reading."""

    _channel_handler_table: ClassVar[dict[int, Callable[[Channel, Message], None]]] = {
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined] # noqa: SLF001 - all but two
        MSG_CHANNEL_DATA: _keep,
        MSG_CHANNEL_EXTENDED_DATA: _leave_out,
    }

    def __init__(self, sock: "socket.socket", pace: Pace, was_cut: threading.Event) -> None:
        super().__init__(sock, default_window_size=WINDOW_BYTES)
        self.packetizer = _Packets(sock, pace, was_cut)
        self.local_version = CLIENT_BANNER.decode().strip()
        self.banner_timeout = self.clear_to_send_timeout = self.channel_timeout = self.auth_timeout = _FOREVER_S
        options = self.get_security_options()
        options.ciphers, options.digests = _CIPHERS, _MACS
        options.kex = tuple(name for name in options.kex if not name.startswith(_NO_KEX))

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """The types of host keys to request. No certificates: the library does not verify their signers."""
        return tuple(self.get_security_options().key_types)

    def prefer(self, families: list[str]) -> None:
        """Request host keys of these types first."""
        options = self.get_security_options()
        first = [kind for kind in options.key_types if _family(kind) in families]
        options.key_types = tuple(first + [kind for kind in options.key_types if kind not in first])

    def banner_text(self) -> str:
        """Return the server's banner about the login (RFC 4252, section 5.4), also after the connection has ended."""
        said: Any = None if self.auth_handler is None else self.auth_handler.banner
        return (said or b"").decode("utf-8", "replace").strip()  # bytes, although its declared type differs

    def end(self) -> None:
        """Make the calls that wait in it return, from any thread; the caller shuts the socket down."""
        self.active = False

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        """Verify the signature of the key exchange. Raises SSHException where key or signature exceed their bounds."""
        _check_key(host_key)
        _check_signature(sig)
        before = self.host_key
        super()._verify_key(host_key, sig)  # type: ignore[misc] # the key exchanges of the library call it
        if before is not None and before != self.host_key:
            raise paramiko.SSHException("it changed its host key within a connection")


def _check_key(blob: bytes) -> None:
    """Raise SSHException where a public key is too long, or has an incomplete string (RFC 4253, section 6.6)."""
    message = _bounded(blob)
    while message.get_remainder():
        message.get_mpint()


def _check_signature(blob: bytes) -> None:
    """Raise SSHException where a signature is too long, or not two complete strings (RFC 5656, section 3.1.2)."""
    message = _bounded(blob)
    name, value = message.get_binary(), message.get_binary()
    if message.get_remainder():
        raise paramiko.SSHException("something follows its signature")
    if name.startswith(b"ecdsa-"):
        _check_key(value)


def _bounded(blob: bytes) -> StrictMessage:
    if len(blob) > MAX_BLOB_BYTES:
        raise paramiko.SSHException(f"it sends a key or a signature of {len(blob)} bytes")
    return StrictMessage(blob)


def _family(kind: str) -> str:
    """Return the type of key that signs with the algorithm `kind`."""
    return "ssh-rsa" if kind in {"rsa-sha2-512", "rsa-sha2-256"} else kind
