"""Who may answer at a node's address? A little zoo of servers that are broken or mean, and one that is well.

Run as a program it serves `{"address:port": "kind"}` (its one argument) until its stdin ends; it is a process of its
own, so that a test can count its own threads, descriptors and bytes. The kinds are the functions of `KINDS`.
"""

import json
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

import paramiko
from hostile_mutants import serve_mutant
from hostile_ssh import ESC, FACES, HOLD_S, Face, reset, serve_ssh

BANNER = b"SSH-2.0-zoo\r\n"
GARBAGE_BYTES = 50_000_000
_Serve = Callable[[socket.socket], None]


class Zoo:
    """The servers, from the outside. `close` ends them."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        command = [sys.executable, __file__, json.dumps(kinds)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def close(self) -> None:
        """End all of them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


# --- what is no SSH, or stops being it


def closes(_: socket.socket) -> None:
    """Close at once."""


def resets(connection: socket.socket) -> None:
    """Reset at once."""
    reset(connection)


def silent(connection: socket.socket) -> None:
    """Accept, and say nothing."""
    _hold(connection)


def drips(connection: socket.socket) -> None:
    """Give a banner byte by byte, and never end it."""
    for byte in b"SSH-2.0-" + b"." * 100_000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def chatters(connection: socket.socket) -> None:
    """Send line after line before a banner that never comes."""
    for _ in range(10_000):
        connection.sendall(b"please wait\r\n")
        time.sleep(0.02)


def garbage_first(connection: socket.socket) -> None:
    """Send garbage in place of a banner."""
    _send_garbage(connection)


def silent_after_banner(connection: socket.socket) -> None:
    """Give a banner, and say nothing more."""
    connection.sendall(BANNER)
    _hold(connection)


def resets_after_banner(connection: socket.socket) -> None:
    """Give a banner, then reset."""
    connection.sendall(BANNER)
    connection.recv(1)
    reset(connection)


def garbage_for_key_exchange(connection: socket.socket) -> None:
    """Give a banner, then garbage in place of the key exchange."""
    connection.sendall(BANNER)
    _send_garbage(connection)


def huge_packet(connection: socket.socket) -> None:
    """Announce a packet of 4 GiB."""
    connection.sendall(BANNER + b"\xff\xff\xff\xf4\x04\x14")
    _send_garbage(connection)


def junk_packets(connection: socket.socket) -> None:
    """Send well formed packets of no known type, without end."""
    connection.sendall(BANNER + _packet(_kexinit()))
    packet = _packet(b"\x02" + struct.pack(">I", 30_000) + bytes(30_000))  # SSH_MSG_IGNORE
    while True:
        connection.sendall(packet)


def huge_integer(connection: socket.socket) -> None:
    """Answer the key exchange with a public value of 3 MiB."""
    _reply(connection, _string(b"ssh-ed25519"), _string(b"\x7f" * (3 << 20)), _string(b""))


def long_integer(connection: socket.socket) -> None:
    """Answer the key exchange with a public value as long as a packet may be."""
    _reply(connection, _string(b"ssh-ed25519"), _string(b"\x7f" * 39_000), _string(b""))


def hollow_integer(connection: socket.socket) -> None:
    """Answer the key exchange with a host key whose modulus claims a MiB, and is not there."""
    hollow = _string(b"ssh-rsa") + _string(b"\x03") + struct.pack(">I", (1 << 20) - 1) + b"\x7f" * 100
    signature = _string(b"rsa-sha2-256") + _string(b"\x01" * 256)
    _reply(connection, _string(hollow), _string(b"\x02" * 200), _string(signature), host_key="rsa-sha2-256")


def group_exchange(connection: socket.socket) -> None:
    """Offer nothing but a group exchange, where it would choose the prime."""
    connection.sendall(BANNER + _packet(_kexinit("diffie-hellman-group-exchange-sha256", "ssh-ed25519")))
    _hold(connection)


def silent_in_key_exchange(connection: socket.socket) -> None:
    """Begin the key exchange, and say nothing more."""
    connection.sendall(BANNER + _packet(_kexinit()))
    _hold(connection)


def resets_in_key_exchange(connection: socket.socket) -> None:
    """Begin the key exchange, then reset."""
    connection.sendall(BANNER + _packet(_kexinit()))
    connection.recv(4096)
    reset(connection)


def disconnects_with_escapes(connection: socket.socket) -> None:
    """Say goodbye with control characters."""
    text = ESC.encode()
    goodbye = b"\x01" + struct.pack(">II", 2, len(text)) + text + struct.pack(">I", 0)
    connection.sendall(BANNER + _packet(goodbye))
    _hold(connection)


def escapes_for_banner(connection: socket.socket) -> None:
    """Speak another protocol, with control characters."""
    connection.sendall(f"HTTP/1.1 200 {ESC}\r\n".encode() * 600)
    _hold(connection)


def escapes_in_old_banner(connection: socket.socket) -> None:
    """Be too old an SSH, with control characters."""
    connection.sendall(f"SSH-1.5-{ESC.replace(chr(10), '')}\r\n".encode())
    _hold(connection)


def _serve_ssh(face: type[Face], connection: socket.socket) -> None:
    serve_ssh(connection, face())


KINDS: dict[str, _Serve] = {
    function.__name__: function
    for function in (
        *(closes, resets, silent, drips, chatters, garbage_first, silent_after_banner, resets_after_banner),
        *(garbage_for_key_exchange, huge_packet, junk_packets, silent_in_key_exchange, resets_in_key_exchange),
        *(huge_integer, long_integer, hollow_integer, group_exchange, serve_mutant),
        *(disconnects_with_escapes, escapes_for_banner, escapes_in_old_banner),
    )
} | {kind: partial(_serve_ssh, face) for kind, face in FACES.items()}
BAD = sorted(set(KINDS) - {"healthy", "serve_mutant"} - {kind for kind in KINDS if "escapes" in kind})
ESCAPING = sorted(kind for kind in KINDS if "escapes" in kind)


# --- how


def _hold(connection: socket.socket) -> None:
    """Say nothing until the client goes."""
    connection.settimeout(HOLD_S)
    while connection.recv(65536):
        pass


def _send_garbage(connection: socket.socket) -> None:
    block = os.urandom(1_000_000).replace(b"SSH-", b"ssh-")
    for _ in range(GARBAGE_BYTES // len(block)):
        connection.sendall(block)


def _packet(payload: bytes) -> bytes:
    """Return an unencrypted packet (RFC 4253, section 6)."""
    padding = (8 - (len(payload) + 5) % 8) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def _reply(connection: socket.socket, *fields: bytes, host_key: str = "ssh-ed25519") -> None:
    """Begin a key exchange, and give this as SSH_MSG_KEXDH_REPLY (RFC 4253, section 8)."""
    connection.sendall(BANNER + _packet(_kexinit("diffie-hellman-group14-sha256", host_key)))
    connection.recv(4096)
    connection.sendall(_packet(b"\x1f" + b"".join(fields)))
    _hold(connection)


def _string(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


def _kexinit(kex: str = "curve25519-sha256@libssh.org", host_key: str = "ecdsa-sha2-nistp256") -> bytes:
    """Return SSH_MSG_KEXINIT with algorithms that every client knows (RFC 4253, section 7.1)."""
    lists = [kex, host_key, *["aes128-ctr"] * 2, *["hmac-sha2-256"] * 2]
    lists += ["none", "none", "", ""]
    names = b"".join(struct.pack(">I", len(name)) + name.encode() for name in lists)
    return b"\x14" + bytes(16) + names + b"\0" + bytes(4)


def _serve_on(address: str, port: int, serve: _Serve) -> None:
    listening = socket.create_server((address, port), backlog=256)

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError, EOFError, paramiko.SSHException):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            serve(connection)

    def accept() -> None:
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


if __name__ == "__main__":
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
    threading.excepthook = lambda _: None
    threading.stack_size(256 * 1024)
    for place, kind in json.loads(sys.argv[1]).items():
        host, _, number = place.rpartition(":")
        _serve_on(host, int(number), KINDS[kind])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)
