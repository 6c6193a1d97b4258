"""Logs in on a socket with an unread banner: key exchange, host key, authentication, commands.

A login runs in a thread. Every limit is enforced from outside by `cut`, which shuts the socket down: the time limits of
the library follow the wall clock, and some of its calls have none.
"""

import base64
import logging
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import paramiko

from pinakad.linux.shortage import is_shortage
from pinakad.login.facts import MarkedFacts, facts_command
from pinakad.login.messages import Begin, Ended, FactsShown
from pinakad.login.transport import Pace, Transport
from pinakad.polling.vocabulary import NodeReason, Rung
from pinakad.printable import printable

_PIECE_BYTES = 65536
_LEAVES_S = 2.0
"""How long the library's thread may take to see that its socket is closed; its longest computation takes 10 ms."""
_MAX_NOTICES = 100
_NO_LOGINS = 254
"""The exit status of each session where there is an /etc/nologin and no PAM (session.c of OpenSSH, do_nologin)."""

log = logging.getLogger(__name__)


class Login:
    """One login. `run` is called in a thread, `cut` and `judge` in any other."""

    def __init__(
        self,
        sock: socket.socket,
        begin: Begin,
        key: paramiko.PKey,
        ready_command: str,
        pace: Pace,
        notices: set[str],
        show: Callable[[str, str], None],
        show_facts: Callable[[FactsShown], None],
        on_login: Callable[[], None],
    ) -> None:
        """`notices`: the banners of logins that succeeded, shared by all logins (sshd_config(5), Banner).

        `show(type, blob in base64)` is called with the host key, and then `judge` is waited for; `on_login` once the
        key is accepted; `show_facts` before the ready_command, and then `judge_ready` is waited for. All are called in
        the login's thread.
        """
        self._sock = sock
        self._begin = begin
        self._key = key
        self._ready_command = ready_command if begin.ready else ""
        self._pace = pace
        self._notices = notices
        self._show = show
        self._show_facts = show_facts
        self._on_login = on_login
        self._ready_judged = threading.Event()
        self._may_run_ready = False
        self._judged = threading.Event()
        self._is_the_node = False
        self._was_cut = threading.Event()
        self._transport: Transport | None = None
        self._rung = Rung.BANNER
        self._accepted = False

    def judge(self, *, accepted: bool) -> None:
        """Go on with the login, or end it: the host key is not the node's."""
        self._is_the_node = accepted
        self._judged.set()

    def judge_ready(self, *, run: bool) -> None:
        """Run the ready_command, or do not: this is another machine, or it has not rebooted."""
        self._may_run_ready = run
        self._ready_judged.set()

    def cut(self) -> None:
        """End the login now: each call that blocks in it returns."""
        self._was_cut.set()
        self._judged.set()
        self._ready_judged.set()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        if self._transport is not None:
            self._transport.end()

    def run(self) -> Ended:
        """Log in, ask for the facts, run `ready_command` if it is asked for. Every failure is in the result."""
        try:
            result = self._attempt()
        except Exception as error:  # on garbage the library raises errors of any type
            log.debug("login %d ended", self._begin.login, exc_info=True)
            result = replace(self._result(*self._failure(error)), lack=is_shortage(error))
        self._leave()
        return result

    def _attempt(self) -> Ended:
        self._sock.setblocking(True)
        self._transport = transport = Transport(self._sock, self._pace, self._was_cut)
        transport.prefer(self._begin.kinds)
        try:
            transport.start_client()
        except RuntimeError as error:
            if transport.ident is None:  # the library's thread could not be started: nothing was sent yet
                text = f"no thread is left to log in with: {error}"
                return replace(self._result(NodeReason.ERROR, text), lack=True, no_thread=True)
            raise
        refusal = self._refused_host(transport) or self._refused_login(transport)
        if refusal is not None:
            return self._result(*refusal)
        self._rung = Rung.LOGIN
        self._on_login()
        return self._ask(transport)

    def _leave(self) -> None:
        transport = self._transport
        if transport is None or transport.ident is not None:  # else nothing was sent: the daemon begins again with it
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
        if transport is not None:
            transport.close()
            if transport.is_alive():
                transport.join(_LEAVES_S)
        self._sock.close()

    def _refused_host(self, transport: Transport) -> tuple[NodeReason, str] | None:
        """Show the host key, and wait for the verdict: this side knows neither the node's name nor its keys."""
        key = transport.get_remote_server_key()
        self._show(key.get_name(), base64.b64encode(key.asbytes()).decode())
        self._judged.wait()
        if self._was_cut.is_set():
            raise EOFError
        if not self._is_the_node:
            return NodeReason.HOST_KEY_CHANGED, "it has another host key"
        self._rung = Rung.HOST_KEY
        return None

    def _refused_login(self, transport: Transport) -> tuple[NodeReason, str] | None:
        try:
            more = transport.auth_publickey(self._begin.user, self._key)
        except (paramiko.SSHException, EOFError, OSError) as error:
            if self._was_cut.is_set():
                raise
            said = printable(transport.banner_text())
            if transport.is_active() and isinstance(error, paramiko.AuthenticationException):
                return (
                    NodeReason.AUTH_FAILED,
                    f"it refused the key for user {printable(self._begin.user)}: {printable(str(error))}",
                )
            if not said or said in self._notices:  # a legal notice comes before every login (sshd_config(5), Banner)
                raise
            # the server says why an account may not log in, as with pam_nologin(8), and closes the connection
            return NodeReason.AUTH_FAILED, f"it refused user {printable(self._begin.user)}, and said: {said}"
        if more:
            return NodeReason.AUTH_FAILED, f"it wants {printable(', '.join(more))} besides the key"
        self._accepted = True
        said = printable(transport.banner_text())
        if said and len(self._notices) < _MAX_NOTICES:
            self._notices.add(said)
        return None

    def _ask(self, transport: Transport) -> Ended:
        token = secrets.token_hex(8)
        facts = MarkedFacts(token)
        code = self._execute(transport, facts_command(token), facts.feed)
        boot_id, uptime_s, hostname = facts.values()
        if code == _NO_LOGINS and facts.values() == (None, None, None):
            self._rung = Rung.HOST_KEY
            text = f"it refused user {printable(self._begin.user)}: status {code} and nothing else"
            return self._result(NodeReason.AUTH_FAILED, f"{text}, as with an /etc/nologin")
        result = replace(self._result(None, ""), boot_id=boot_id, uptime_s=uptime_s, hostname=hostname)
        if self._ready_command and self._is_to_be_ready(result):
            code = self._execute(transport, self._ready_command, lambda _: None)
            result = replace(result, ready=code == 0)
            if code != 0:
                text = f"ready_command ended with status {code}"
                result = replace(result, reason=NodeReason.NOT_READY, message=text)
        return replace(result, rung=Rung.COMMAND)

    def _is_to_be_ready(self, result: Ended) -> bool:
        """Show the facts, and wait for the verdict whether the ready_command may be run on this machine."""
        self._show_facts(FactsShown(result.login, result.boot_id, result.uptime_s, result.hostname))
        self._ready_judged.wait()
        if self._was_cut.is_set():
            raise EOFError
        return self._may_run_ready

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

    def _result(self, reason: NodeReason | None, message: str) -> Ended:
        return Ended(self._begin.login, self._rung, reason, message, accepted=self._accepted)
