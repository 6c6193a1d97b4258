"""One login at a node, as the daemon sees it: it judges the host key, and has a worker do the rest."""

import base64
import hashlib
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from pinakad.login.messages import Begin, Ended, FactsShown, MessageError
from pinakad.polling.vocabulary import AttemptResult, HostKey, NodeReason, Rung
from pinakad.printable import printable
from pinakad.ssh.host_keys import HostKeys
from pinakad.ssh.own_time import OwnTime
from pinakad.ssh.worker_process import WorkerProcess

if TYPE_CHECKING:
    import asyncio

GRACE_S = 5.0
"""How long after its limits (own time) a worker is waited for to end a login by itself."""
_numbers = count(1)
JudgeOfFacts = Callable[[AttemptResult], bool]
"""Says of what a machine has told of itself whether the ready_command may be run there."""


@dataclass(slots=True)
class LoginCall:
    """A login: on `sock`, whose banner is unread, at the node that known_hosts calls `name`.

    `fingerprints` (SHA256:...): the host key must have one of them, if there are any. `began_s` (loop's clock) is when
    the attempt began. `may_run_ready` None: the ready_command is not run.
    """

    sock: socket.socket
    name: str
    user: str
    fingerprints: tuple[str, ...]
    host_keys: HostKeys
    own_time: OwnTime
    began_s: float
    may_run_ready: JudgeOfFacts | None = None
    _key: tuple[str, str] | None = None
    _verdict: HostKey | NodeReason | None = None

    def begin(self, worker: WorkerProcess, left_s: float, command_s: float) -> "asyncio.Future[Ended]":
        """Begin on a worker; return the future of its end, which may raise WorkerEndedError.

        `left_s` is the limit of key exchange and authentication, `command_s` that of all commands.
        """
        kinds, ready = self.host_keys.preferred(self.name), self.may_run_ready is not None
        begin = Begin(next(_numbers), self.user, kinds, left_s, ready)
        future = worker.begin(self.sock, begin, self._judge, self._judge_facts)
        self._watch(worker, begin.login, future, left_s + command_s)
        return future

    def cut(self) -> None:
        """End the login: the worker finds the connection at its end."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def result(self, ended: Ended) -> AttemptResult:
        """Return what the attempt found; remember the key of a node that let us in."""
        if isinstance(self._verdict, NodeReason):
            text = "it has another host key"
            if self._verdict is not NodeReason.HOST_KEY_CHANGED:
                text = "its host key is not known"
            return AttemptResult(self.began_s, Rung.BANNER, self._verdict, f"{text} ({self._shown_key()})")
        rung, reason = Rung(ended.rung), NodeReason(ended.reason) if ended.reason is not None else None
        if ended.accepted and self._key is not None:
            self.host_keys.pin(self.name, self._key)
        facts = ended.boot_id, ended.uptime_s, ended.hostname, ended.ready
        host_key = self._verdict if rung is not Rung.BANNER else None
        return AttemptResult(self.began_s, rung, reason, ended.message, host_key, *facts, not_made=ended.lack)

    def _judge(self, kind: str, blob: str) -> bool:
        """Return whether the host key is the node's. Raises MessageError for what is no key, and for a second one."""
        if self._key is not None:
            raise MessageError("it shows a second host key")
        shown = fingerprint(blob)
        self._key = kind, blob
        self._verdict = self.host_keys.check(self.name, self._key)
        if self.fingerprints and not isinstance(self._verdict, NodeReason) and shown not in self.fingerprints:
            self._verdict = NodeReason.HOST_KEY_CHANGED
        return not isinstance(self._verdict, NodeReason)

    def _judge_facts(self, shown: FactsShown) -> bool:
        """Return whether the ready_command may be run on the machine that has shown these facts."""
        if self.may_run_ready is None:
            return False
        host_key = self._verdict if isinstance(self._verdict, HostKey) else None
        facts = shown.boot_id, shown.uptime_s, shown.hostname
        return self.may_run_ready(AttemptResult(self.began_s, Rung.COMMAND, None, "", host_key, *facts))

    def _shown_key(self) -> str:
        kind, blob = self._key or ("", "")
        return f"{printable(kind)} {fingerprint(blob)}"

    def _watch(self, worker: WorkerProcess, login: int, future: "asyncio.Future[Ended]", limit_s: float) -> None:
        """Kill the worker where it does not end the login by itself soon after the limit."""
        timer: object = None

        def late() -> None:
            nonlocal timer
            timer = self.own_time.call_later(GRACE_S, partial(self._end_overdue, worker, login, worker.cpu_s()))

        timer = self.own_time.call_later(limit_s, late)
        future.add_done_callback(lambda _: self.own_time.cancel(timer))

    def _end_overdue(self, worker: WorkerProcess, login: int, cpu_before_s: float) -> None:
        """End a login with its worker. One that did not compute meanwhile was kept from it, which says nothing of the
        node: it was stopped, or there was no processor for it.
        """
        computed = worker.cpu_s() - cpu_before_s > GRACE_S / 10
        rung = Rung.BANNER if self._key is None else Rung.HOST_KEY
        text = "its login could not be ended in time" if computed else "the login process did not run"
        worker.give_up(Ended(login, rung, NodeReason.TIMEOUT, text, lack=not computed))


def fingerprint(blob: str) -> str:
    """Return the fingerprint of a public key (blob in base64) as ssh-keygen -l prints it. Raises MessageError."""
    try:
        digest = hashlib.sha256(base64.b64decode(blob, validate=True)).digest()
    except ValueError:
        raise MessageError("the host key is no base64") from None
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
