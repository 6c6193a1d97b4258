"""Logs in on a socket with an unread banner: key exchange, host key, authentication, commands.

A login runs in a thread. Every limit is enforced from outside by `cut`, which shuts the socket down: the time limits of
the library follow the wall clock, and some of its calls have none.
"""

import logging
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import paramiko

from pinakad.linux.shortage import is_shortage
from pinakad.linux.threads import NoThreadError
from pinakad.polling.vocabulary import AttemptResult, HostKey, NodeReason, Rung
from pinakad.problems import printable
from pinakad.ssh.facts import MarkedFacts, facts_command
from pinakad.ssh.host_keys import HostKeys
from pinakad.ssh.transport import Pace, Transport

_PIECE_BYTES = 65536
_LEAVES_S = 2.0
"""How long the library's thread may take to see that its socket is closed; its longest computation takes 10 ms."""
_MAX_NOTICES = 100
_NO_LOGINS = 254
"""The exit status of each session where there is an /etc/nologin and no PAM (session.c of OpenSSH, do_nologin)."""

log = logging.getLogger(__name__)


class Login:
    """One login. `run` is called in a thread, a second time only after NoThreadError; `cut` in any thread."""

    def __init__(
        self,
        sock: socket.socket,
        name: str,
        user: str,
        key: paramiko.PKey,
        host_keys: HostKeys,
        pace: Pace,
        fingerprints: tuple[str, ...] = (),
        notices: set[str] | None = None,
    ) -> None:
        """`notices`: the banners of logins that succeeded, shared by all logins (sshd_config(5), Banner)."""
        self._sock = sock
        self._name = name
        self._user = user
        self._key = key
        self._host_keys = host_keys
        self._pace = pace
        self._fingerprints = fingerprints
        self._notices = set() if notices is None else notices
        self._was_cut = threading.Event()
        self._transport: Transport | None = None
        self._rung = Rung.BANNER
        self._host_key: HostKey | None = None

    def cut(self) -> None:
        """End the login now: each call that blocks in it returns."""
        self._was_cut.set()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        if self._transport is not None:
            self._transport.end()

    def close(self) -> None:
        """Close the socket of a login that no thread runs."""
        self._sock.close()

    def run(self, began_s: float, ready_command: str, *, on_login: Callable[[], None]) -> AttemptResult:
        """Log in, ask for the facts, run `ready_command` if there is one. Every failure is in the result.

        `began_s` (loop's clock) is when the attempt began; `on_login` is called, in this thread, once the key is
        accepted. Raises NoThreadError before anything was sent: then it can be run again.
        """
        try:
            result = self._attempt(began_s, ready_command, on_login)
        except NoThreadError:
            raise
        except Exception as error:  # on garbage the library raises errors of any type
            log.debug("the connection to %s ended", self._name, exc_info=True)
            result = replace(self._result(began_s, *self._failure(error)), not_made=is_shortage(error))
        self._leave()
        return result

    def _attempt(self, began_s: float, ready_command: str, on_login: Callable[[], None]) -> AttemptResult:
        self._sock.setblocking(True)
        self._transport = transport = Transport(self._sock, self._pace, self._was_cut)
        transport.prefer(self._host_keys.preferred(self._name))
        _start(transport)
        refusal = self._refused_host(transport) or self._refused_login(transport)
        if refusal is not None:
            return self._result(began_s, *refusal)
        self._rung = Rung.LOGIN
        on_login()
        return self._ask(transport, began_s, ready_command)

    def _leave(self) -> None:
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        transport = self._transport
        if transport is not None:
            transport.close()
            if transport.is_alive():
                transport.join(_LEAVES_S)
        self._sock.close()

    def _refused_host(self, transport: Transport) -> tuple[NodeReason, str] | None:
        key = transport.get_remote_server_key()
        verdict = self._host_keys.check(self._name, key)
        if self._fingerprints and not isinstance(verdict, NodeReason):
            verdict = verdict if key.fingerprint in self._fingerprints else NodeReason.HOST_KEY_CHANGED
        if isinstance(verdict, NodeReason):
            text = "it has another host key" if verdict is NodeReason.HOST_KEY_CHANGED else "its host key is not known"
            return verdict, f"{text} ({key.get_name()} {key.fingerprint})"
        self._host_key, self._rung = verdict, Rung.HOST_KEY
        return None

    def _refused_login(self, transport: Transport) -> tuple[NodeReason, str] | None:
        try:
            more = transport.auth_publickey(self._user, self._key)
        except (paramiko.SSHException, EOFError, OSError) as error:
            if self._was_cut.is_set():
                raise
            said = printable(transport.banner_text())
            if transport.is_active() and isinstance(error, paramiko.AuthenticationException):
                return (
                    NodeReason.AUTH_FAILED,
                    f"it refused the key for user {printable(self._user)}: {printable(str(error))}",
                )
            if not said or said in self._notices:  # a legal notice comes before every login (sshd_config(5), Banner)
                raise
            # the server says why an account may not log in, as with pam_nologin(8), and closes the connection
            return NodeReason.AUTH_FAILED, f"it refused user {printable(self._user)}, and said: {said}"
        if more:
            return NodeReason.AUTH_FAILED, f"it wants {printable(', '.join(more))} besides the key"
        self._host_keys.pin(self._name, transport.get_remote_server_key())
        said = printable(transport.banner_text())
        if said and len(self._notices) < _MAX_NOTICES:
            self._notices.add(said)
        return None

    def _ask(self, transport: Transport, began_s: float, ready_command: str) -> AttemptResult:
        token = secrets.token_hex(8)
        facts = MarkedFacts(token)
        code = self._execute(transport, facts_command(token), facts.feed)
        boot_id, uptime_s, hostname = facts.values()
        if code == _NO_LOGINS and facts.values() == (None, None, None):
            self._rung = Rung.HOST_KEY
            text = f"it refused user {printable(self._user)}: status {code} and nothing else, as with an /etc/nologin"
            return self._result(began_s, NodeReason.AUTH_FAILED, text)
        reason, message = None, ""
        if ready_command:
            code = self._execute(transport, ready_command, lambda _: None)
            if code != 0:
                reason, message = NodeReason.NOT_READY, f"ready_command ended with status {code}"
        return AttemptResult(
            began_s,
            Rung.COMMAND if reason is None else Rung.LOGIN,
            reason,
            message,
            self._host_key,
            boot_id,
            uptime_s,
            hostname,
        )

    def _execute(self, transport: Transport, command: str, take: Callable[[bytes], None]) -> int:
        """Run a command on the node and return its exit status; `take` gets its output, of any length, in pieces.

        The status is -1 where the node refuses to run commands. Raises EOFError, SSHException or OSError where the
        connection ends.
        """
        try:
            channel = transport.open_session()
            channel.exec_command(command)
            while piece := channel.recv(_PIECE_BYTES):
                take(piece.replace(b"\0", b""))  # NUL replaces the error output, see transport.py
            code = channel.recv_exit_status()
            channel.close()
        except (paramiko.SSHException, EOFError):
            if self._was_cut.is_set() or not transport.is_active():
                raise
            return -1
        if self._was_cut.is_set() or not transport.is_active():
            raise EOFError("the connection ended during the command")
        return code

    def _failure(self, error: Exception) -> tuple[NodeReason, str]:
        where = {Rung.BANNER: "the key exchange", Rung.HOST_KEY: "the login"}.get(self._rung, "the command")
        if self._was_cut.is_set():
            return NodeReason.TIMEOUT, f"{where} took too long"
        cause = printable(str(error)) or type(error).__name__
        return NodeReason.ERROR, f"the connection ended during {where}: {cause}"

    def _result(self, began_s: float, reason: NodeReason, message: str) -> AttemptResult:
        return AttemptResult(began_s, self._rung, reason, message, self._host_key)


def _start(transport: Transport) -> None:
    """Exchange keys. Raises NoThreadError where the library's thread cannot be started; then nothing was sent yet."""
    try:
        transport.start_client()
    except RuntimeError as error:
        if transport.ident is None:
            raise NoThreadError(str(error)) from None
        raise
