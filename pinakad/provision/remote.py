"""Runs commands on a node over SSH: those of the deployment program, as root or by sudo."""

import base64
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import paramiko

from pinakad.config import SshSettings
from pinakad.polling.vocabulary import NodeReason
from pinakad.printable import cause_of, printable
from pinakad.ssh.host_keys import HostKeys, name_for

_PIECE, _MOST = 65536, 1 << 20


class RemoteError(Exception):
    """A command could not be run on a node, or has failed. The message says why."""


@dataclass(frozen=True)
class Done:
    """What a command has said, and its exit status."""

    code: int
    out: str
    err: str


class Remote:
    """One login at a node, between `open` and `close`. Every call has a limit."""

    def __init__(
        self, address: str, port: int, user: str, key: paramiko.PKey, ssh: SshSettings, host_keys: HostKeys
    ) -> None:
        self._place = address, port
        self._user, self._key, self._ssh, self._host_keys = user, key, ssh, host_keys
        self._transport: paramiko.Transport | None = None

    def open(self) -> Self:
        """Log in. Raises RemoteError."""
        try:
            sock = socket.create_connection(self._place, self._ssh.connect_timeout_s)
            self._transport = transport = paramiko.Transport(sock)
            transport.banner_timeout = self._ssh.banner_timeout_s
            transport.auth_timeout = transport.handshake_timeout = self._ssh.auth_timeout_s
            transport.start_client(timeout=self._ssh.banner_timeout_s + self._ssh.auth_timeout_s)
            self._require_known(transport)
            transport.auth_publickey(self._user, self._key)
        except (OSError, EOFError, paramiko.SSHException, RemoteError) as error:
            self.close()
            cause = cause_of(error) if isinstance(error, OSError) and error.strerror else printable(str(error))
            raise RemoteError(f"cannot log in at {self._place[0]}: {cause}") from None
        return self

    def run(self, command: str, given: bytes = b"") -> Done:
        """Run a command and return its end. Raises RemoteError where it has none within the limit."""
        assert self._transport is not None  # noqa: S101 - between `open` and `close`
        ends_s = time.monotonic() + self._ssh.command_timeout_s
        try:
            channel = self._transport.open_session(timeout=self._ssh.command_timeout_s)
            channel.settimeout(self._ssh.command_timeout_s)
            channel.exec_command(command)
            if given:
                channel.sendall(given)
            channel.shutdown_write()
            out = _all_of(channel, ends_s)
            err = _rest(channel)
            while not channel.exit_status_ready():
                if time.monotonic() > ends_s:
                    raise RemoteError("a command has no end")
                time.sleep(0.01)
            said = printable(err.decode(errors="replace").strip(), 500)
            return Done(channel.recv_exit_status(), out.decode(errors="replace"), said)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise RemoteError(f"the connection ended during a command: {printable(str(error))}") from None

    def check(self, command: str, given: bytes = b"") -> Done:
        """Run a command that must succeed. Raises RemoteError with what it said where it does not."""
        done = self.run(command, given)
        if done.code != 0:
            raise RemoteError(done.err.strip() or printable(done.out.strip(), 500) or f"status {done.code}")
        return done

    def _require_known(self, transport: paramiko.Transport) -> None:
        shown = transport.get_remote_server_key()
        key = shown.get_name(), base64.b64encode(shown.asbytes()).decode()
        found = self._host_keys.check(name_for(*self._place), key)
        if isinstance(found, NodeReason):
            raise RemoteError(f"it shows a host key that is not accepted ({found})")

    def close(self) -> None:
        """End the login."""
        if self._transport is not None:
            with suppress(OSError, EOFError):
                self._transport.close()


def _all_of(channel: paramiko.Channel, ends_s: float) -> bytes:
    data = b""
    while piece := channel.recv(_PIECE):
        data += piece
        if len(data) > _MOST or time.monotonic() > ends_s:
            raise RemoteError("a command says too much, or has no end")
    return data


def _rest(channel: paramiko.Channel) -> bytes:
    data = b""
    while channel.recv_stderr_ready() and len(data) < _PIECE:
        data += channel.recv_stderr(_PIECE)
    return data
