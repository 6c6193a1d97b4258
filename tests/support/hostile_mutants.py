"""What if anything at all in a real handshake is another? Mutants of it, one a connection, from both ends."""

import random
import socket
import struct
from contextlib import suppress
from itertools import count

import paramiko
from hostile_ssh import Face, host_key, reset
from paramiko.message import Message
from paramiko.packet import Packetizer

_LENGTHS = (0, 1, 255, 0x7FFF, 0xFFFF, 40_000, 1 << 20, (1 << 20) - 1, 1 << 24, 0x7FFFFFFF, 0xFFFFFFFF)
_KEX = (
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
)
_CIPHERS = ("aes128-gcm@openssh.com", "aes128-ctr", "aes256-ctr")
_KINDS = (*range(1, 8), 20, 21, 30, 31, *range(51, 54), 60, *range(80, 83), *range(90, 101), 192)
_numbers = count(1)
_HOLD_S = 20.0


class Mutator(Packetizer):
    """The packets of a server, one of them changed: as a message, or as bytes on the wire, sent or received."""

    def __init__(self, sock: socket.socket, chance: random.Random) -> None:
        super().__init__(sock)
        self.chance = chance
        self.sock = sock
        self.way = chance.choice(("message", "message", "message", "extra", "wire", "received"))
        self.due = chance.randrange(12)
        self.seen = 0

    def _is_due(self, way: str) -> bool:
        if way != self.way:
            return False
        self.seen += 1
        return self.seen > self.due and self.chance.random() < 0.7

    def send_message(self, data: Message) -> None:
        """Send a message, or a mutant of it, or others besides."""
        if self._is_due("message"):
            data = _message(mutant(data.asbytes(), self.chance))
        if self._is_due("extra"):
            for _ in range(self.chance.choice((1, 1, 2, 50))):
                super().send_message(_message(any_message(self.chance)))
        super().send_message(data)

    def write_all(self, out: bytes) -> None:
        """Send bytes, or a mutant of them."""
        super().write_all(mutant(out, self.chance) if self._is_due("wire") else out)

    def read_message(self) -> tuple[int, Message]:
        """Receive a message, or a mutant of it."""
        kind, message = super().read_message()
        if self._is_due("received"):
            sequence = message.seqno
            message = Message(mutant(message.asbytes(), self.chance))
            message.seqno = sequence
        return kind, message


def serve_mutant(connection: socket.socket) -> None:
    """Serve one connection, as the next mutant."""
    chance = random.Random(next(_numbers))  # noqa: S311 - it chooses mutants, the same in each run
    transport = paramiko.Transport(connection)
    transport.packetizer = Mutator(connection, chance)
    transport.add_server_key(host_key(chance.choice(("ecdsa", "rsa", "ecdsa"))))
    options = transport.get_security_options()
    options.kex, options.ciphers = (chance.choice(_KEX),), (chance.choice(_CIPHERS),)
    face = Face()
    face.transport = transport
    with suppress(Exception):
        transport.start_server(server=face)
    transport.join(_HOLD_S)
    transport.close()
    if chance.random() < 0.1:
        reset(connection)


def mutant(data: bytes, chance: random.Random) -> bytes:
    """Return other bytes: a bit, a length, a piece more or less."""
    raw = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 3, 10))):
        place = chance.randrange(len(raw)) if raw else 0
        match chance.randrange(7):
            case 0 if raw:
                raw[place] ^= 1 << chance.randrange(8)
            case 1 if raw:
                raw[place] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 2:
                raw[place : place + 4] = struct.pack(">I", chance.choice(_LENGTHS))
            case 3:
                del raw[place:]
            case 4:
                del raw[place : place + chance.randrange(1, 40)]
            case 5:
                raw[place:place] = chance.randbytes(chance.choice((1, 4, 100, 5_000)))
            case _:
                raw += chance.randbytes(chance.choice((1, 1_000, 39_000, 60_000)))
    return bytes(raw[:300_000]) or b"\0"


def any_message(chance: random.Random) -> bytes:
    """Return a message of any type, with fields that may fit it."""
    kind = chance.choice(
        (1, 2, 3, 4, 5, 6, 7, 20, 21, 30, 31, 51, 52, 53, 60, 80, 81, 82, 90, 91, 92, *range(93, 101), 192)
    )
    fields = [chance.randbytes(chance.choice((0, 1, 4)))]
    for _ in range(chance.randrange(5)):
        length = chance.choice((0, 4, 30, 300, 30_000))
        fields.append(struct.pack(">I", chance.choice((length, *_LENGTHS))) + chance.randbytes(length))
    return bytes([kind]) + b"".join(fields)[:39_000]


def _message(raw: bytes) -> Message:
    message = Message()
    message.add_bytes(raw)
    return message
