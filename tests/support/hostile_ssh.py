"""Which servers let us in, and then do what they like? The server side of paramiko, one face for each."""

import socket
import struct
import threading
import time
from contextlib import suppress
from functools import cache

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_PARTIALLY_SUCCESSFUL, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from pinakad.login.facts import facts_output

BOOT_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
ESC = "\x1b[2J\x1b]0;owned\x07\r\nforged line \x9b31m"
"""Clears a screen, names a window, rings, begins a line of its own, and does the same with C1 controls."""
HOLD_S = 600.0


def serve_ssh(connection: socket.socket, face: "Face") -> None:
    """Serve one connection with the server side of paramiko until the client goes."""
    transport = paramiko.Transport(connection)
    transport.add_server_key(host_key())
    face.transport = transport
    with suppress(paramiko.SSHException, EOFError, OSError):
        transport.start_server(server=face)
    transport.join(HOLD_S)
    transport.close()


class Face(paramiko.ServerInterface):
    """What a server does after the key exchange. Here: all is well."""

    transport: paramiko.Transport
    facts: tuple[str, ...] = (BOOT_ID, "100.00 100.00", "healthy")
    command = ""

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.command = command.decode()
        threading.Thread(target=self._answer, args=(channel,), daemon=True).start()
        return True

    def _answer(self, channel: paramiko.Channel) -> None:
        time.sleep(0.01)  # the reply that the command was accepted goes first
        with suppress(OSError, EOFError, paramiko.SSHException):
            self.answer(channel)

    def answer(self, channel: paramiko.Channel) -> None:
        channel.sendall((facts_output(self.command, self.facts) or "").encode())
        channel.send_exit_status(0)
        channel.shutdown_write()


class HangsInCommand(Face):
    def answer(self, channel: paramiko.Channel) -> None:
        channel.sendall(b"pinakad:")


class EndlessOutput(Face):
    def answer(self, channel: paramiko.Channel) -> None:
        while True:
            channel.sendall(b"pinakad:" + b"x" * 30_000)


class EndlessErrors(Face):
    """Fills the stream of errors, which nobody reads, and minds no window."""

    def answer(self, channel: paramiko.Channel) -> None:
        while self.transport.is_active():
            message = paramiko.Message()
            message.add_byte(b"\x5f")  # SSH_MSG_CHANNEL_EXTENDED_DATA (RFC 4254, section 5.2)
            message.add_int(channel.remote_chanid)
            message.add_int(1)
            message.add_string(b"x" * 30_000)
            self.transport._send_user_message(message)


class ResetsInCommand(Face):
    def answer(self, channel: paramiko.Channel) -> None:
        reset(self.transport.sock)


class ResetsInLogin(Face):
    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        reset(self.transport.sock)
        return AUTH_FAILED


class EscapesInFacts(Face):
    facts = (ESC, ESC, ESC)

    def get_banner(self) -> tuple[str, str]:
        return ESC, "en"


class EscapesInBootId(Face):
    facts = (f"{BOOT_ID[:-5]}\x1b[2J", "1\x1b[2J", "a\x1b[2J")


class EscapesInLogin(Face):
    def get_allowed_auths(self, username: str) -> str:
        return f"password,{ESC}"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_FAILED


class EscapesInPartialLogin(Face):
    def get_allowed_auths(self, username: str) -> str:
        return f"publickey,{ESC}"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_PARTIALLY_SUCCESSFUL


class Sends(Face):
    """Sends messages of its own making once the client was let in."""

    messages: tuple[bytes, ...] = ()
    times = 1

    def answer(self, channel: paramiko.Channel) -> None:
        for _ in range(self.times):
            for raw in self.messages:
                message = paramiko.Message()
                message.add_bytes(raw)
                self.transport._send_message(message)
        channel.recv(1)


class CountsBeyond(Sends):
    """Announces four thousand million extensions, and names none (RFC 8308, section 2.3)."""

    messages = (b"\x07\xff\xff\xff\xff",)


class UnknownMessage(Sends):
    messages = (b"\xc0" + bytes(100),)


class DebugFlood(Sends):
    """Sends long texts for the log, without end."""

    messages = (b"\x04\x01" + struct.pack(">I", 30_000) + bytes(30_000) + bytes(4),)
    times = 10_000


class TinyFlood(Sends):
    """Sends the smallest messages there are, without end."""

    messages = (b"\x02" + bytes(4),)
    times = 1_000_000


FACES: dict[str, type[Face]] = {
    "healthy": Face,
    "hangs_in_command": HangsInCommand,
    "endless_output": EndlessOutput,
    "endless_errors": EndlessErrors,
    "resets_in_command": ResetsInCommand,
    "resets_in_login": ResetsInLogin,
    "counts_beyond": CountsBeyond,
    "unknown_message": UnknownMessage,
    "debug_flood": DebugFlood,
    "tiny_flood": TinyFlood,
    "escapes_in_facts": EscapesInFacts,
    "escapes_in_boot_id": EscapesInBootId,
    "escapes_in_login": EscapesInLogin,
    "escapes_in_partial_login": EscapesInPartialLogin,
}


def reset(connection: socket.socket) -> None:
    """Close with a RST: nothing lingers (socket(7), SO_LINGER)."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@cache
def host_key(kind: str = "ecdsa") -> paramiko.PKey:
    """Return a host key, the same for all servers of a process."""
    return paramiko.RSAKey.generate(2048) if kind == "rsa" else paramiko.ECDSAKey.generate()
