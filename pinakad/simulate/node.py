"""One simulated machine: an SSH server on its own address that goes away and comes back."""

import asyncio
import logging
import socket
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from pinakad.login.facts import facts_output
from pinakad.simulate.port import Port
from pinakad.simulate.scenario import Face, Scenario, Spell

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALLER_NAME = "installer"
FIRST_UPTIME_S = 86_400.0
"""The uptime of a node at the beginning of the simulation, in seconds."""
_LINGER_S = 1.0
_LOG_NAME = "pinakad.simulate.ssh"

# Cut connections are expected here; paramiko would log each of them with a traceback.
logging.getLogger(_LOG_NAME).setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that a machine reports of itself. `booted_s` is in seconds on the loop's clock."""

    boot_id: str
    booted_s: float
    hostname: str

    def lines(self, now_s: float) -> tuple[str, str, str]:
        """Return boot id, uptime and host name in the form of facts.py, at `now_s` on the loop's clock."""
        uptime_s = now_s - self.booted_s
        return self.boot_id, f"{uptime_s:.2f} {uptime_s:.2f}", self.hostname


class SimulatedNode:
    """One machine. Every method must be called in the running event loop."""

    def __init__(
        self, hostname: str, address: str, port: int, trusted: paramiko.PKey, scenario: Scenario | None = None
    ) -> None:
        self.hostname = hostname
        self.address = address
        self.port = port
        self.scenario = scenario or Scenario()
        self.face = Face.DOWN
        self.boots = 0
        """How often the machine has booted since the simulation began."""
        self._trusted = trusted
        self._host_key = paramiko.ECDSAKey.generate()
        self._network = Port(address, port, self._serve)
        self._life: Iterator[Spell] = iter(())
        self._timer: asyncio.TimerHandle | None = None
        self._ordered = False
        self._facts = Facts("", 0.0, hostname)

    # --- its life

    def start(self) -> None:
        """Begin in the state before a deployment: up. Raises OSError where the address cannot be used."""
        self._facts = Facts(_new_boot_id(), self._now_s() - FIRST_UPTIME_S, self.hostname)
        self._network.reserve()
        self._network.listen()
        self.face = Face.UP

    def order_reboot(self) -> bool:
        """Begin the life after an order to reboot; return False where the machine is not up and cannot receive it."""
        if self.face is not Face.UP:
            return False
        self._ordered = True
        self._stop_timer()
        self._life = self.scenario.life()
        self._next_spell()
        return True

    def stop(self) -> None:
        """End the machine: close its connections and its port."""
        self._stop_timer()
        self._network.cut_connections()
        self._network.close()
        self.face = Face.DOWN

    def _next_spell(self) -> None:
        spell = next(self._life, None)
        if spell is None:
            return
        if spell.face is not self.face:
            self._show(spell.face)
        if isfinite(spell.lasts_s):
            self._timer = asyncio.get_running_loop().call_later(spell.lasts_s, self._next_spell)

    def _show(self, face: Face) -> None:
        before, self.face = self.face, face
        self._network.is_dripping = face is Face.DRIPPING
        if face is Face.DOWN:
            self._network.cut_connections()
            self._network.reserve()
        elif before is Face.DOWN:
            self._boot()
        elif before is Face.DRIPPING:
            self._network.cut_connections()

    def _boot(self) -> None:
        self.boots += 1
        installer = self.face is Face.INSTALLER
        name = INSTALLER_NAME if installer else self.scenario.hostname or self.hostname
        self._facts = Facts(_new_boot_id(), self._now_s(), name)
        if self.scenario.new_host_key and self._ordered and not installer:
            self._host_key = paramiko.ECDSAKey.generate()
            self._ordered = False
        self._network.listen()

    @cached_property
    def _installer_key(self) -> paramiko.PKey:
        return paramiko.ECDSAKey.generate()

    def _serve(self, connection: socket.socket) -> None:
        connection.setblocking(True)  # for paramiko's thread
        transport = paramiko.Transport(connection)
        transport.set_log_channel(_LOG_NAME)
        transport.add_server_key(self._installer_key if self.face is Face.INSTALLER else self._host_key)
        trusted = None if self.face is Face.LOCKED else self._trusted
        transport.start_server(threading.Event(), _Sshd(self, self._facts, trusted))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


class _Sshd(paramiko.ServerInterface):
    """One connection. paramiko calls these methods in the connection's thread; commands are answered in the loop."""

    def __init__(self, node: SimulatedNode, facts: Facts, trusted: paramiko.PKey | None) -> None:
        self._node = node
        self._facts = facts
        self._trusted = trusted
        self._loop = asyncio.get_running_loop()

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - paramiko's interface
        """Allow keys only."""
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002 - paramiko's interface
        """Accept the trusted key, for any user."""
        return AUTH_SUCCESSFUL if key == self._trusted else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - paramiko's interface
        """Accept sessions only."""
        if kind == "session":
            return OPEN_SUCCEEDED
        return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Run a command."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._run, channel, command.decode("utf-8", "replace"))
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        """Answer a command, and let the client close: our close could overtake the reply that accepts the command."""
        with suppress(OSError, EOFError, paramiko.SSHException):
            if (facts := facts_output(command, self._facts.lines(self._loop.time()))) is not None:
                channel.sendall(facts.encode())
            elif command.split()[-1:] == ["reboot"]:
                self._node.order_reboot()
            channel.send_exit_status(0)
            channel.shutdown_write()
        self._loop.call_later(_LINGER_S, channel.close)


def new_key(path: Path) -> paramiko.PKey:
    """Return a new private key for the nodes to trust, and write it to `path` (mode 0600). Raises OSError."""
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(path)
    return key


def _new_boot_id() -> str:
    return str(uuid.uuid4())
