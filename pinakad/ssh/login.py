"""One login on a socket that has a banner waiting: is it the host we know, does it let us in, what does it say?

Runs in a thread. Every limit is enforced from outside by `cut`, which closes the connection under it: the time limits
of the library follow the wall clock, and some calls have none.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import paramiko
from paramiko.packet import Packetizer

from pinakad.node_file import is_hostname
from pinakad.polling import HostKey, NodeReason, Probe, Rung
from pinakad.problems import printable
from pinakad.ssh.host_keys import HostKeys
from pinakad.ssh.reach import CLIENT_BANNER

if TYPE_CHECKING:
    from typing_extensions import Buffer

FACTS_COMMAND = (
    '/bin/sh -c \'printf "pinakad:%s\\n" "$(cat /proc/sys/kernel/random/boot_id)" "$(cat /proc/uptime)" "$(uname -n)"\''
)
"""Boot id (random(4)), uptime (proc(5)) and host name, marked: a login shell may print a greeting of its own."""
_MARK = "pinakad:"
_MAX_OUTPUT = 65536
_MAX_RECEIVED = 4 << 20  # of one login, whatever it is: the library keeps all that it did not have to ask for
_FOREVER_S = 1e9
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")
_CHEAP_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""They need no MAC beside them, which the library compares byte by byte in Python: a sixth of a login's CPU."""


class _Packets(Packetizer):
    """Leaves out what we did already or do better: our banner was sent, and the deadline is ours."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._banner_was_sent = False
        self._received = 0

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Receive, up to a limit: a node that minds no window must not fill our memory."""
        self._received += n
        if self._received > _MAX_RECEIVED:
            raise paramiko.SSHException(f"it sends more than {_MAX_RECEIVED >> 20} MiB in one login")
        return super().read_all(n, check_rekey)

    def write_all(self, out: "Buffer") -> None:
        """Send, except for the banner."""
        if not self._banner_was_sent:
            self._banner_was_sent = True
            return
        super().write_all(out)

    def start_handshake(self, timeout: float) -> None:
        """Start no timer: it would be one thread more a login, and outlive it."""


class Login:
    """One login. `run` is called once, in a thread; `cut` from any."""

    def __init__(self, sock: socket.socket, name: str, user: str, key: paramiko.PKey, host_keys: HostKeys) -> None:
        self._sock = sock
        self._name = name
        self._user = user
        self._key = key
        self._host_keys = host_keys
        self._was_cut = threading.Event()
        self._rung = Rung.BANNER
        self._host_key: HostKey | None = None

    def cut(self) -> None:
        """End it now: whatever blocks in it returns."""
        self._was_cut.set()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def run(self, began_s: float, ready_command: str, *, on_login: Callable[[], None]) -> Probe:
        """Log in, ask for the facts, run `ready_command` if there is one. Everything that fails is in the result."""
        transport: paramiko.Transport | None = None
        try:
            transport = self._transport()
            refusal = self._log_in(transport)
            if refusal is not None:
                return self._probe(began_s, *refusal)
            on_login()
            return self._ask(transport, began_s, ready_command)
        except (paramiko.SSHException, EOFError, OSError, ValueError, TypeError, AttributeError, IndexError) as error:
            # the last four: what paramiko's parsers raise on garbage
            return self._probe(began_s, *self._failure(error))
        finally:
            if transport is not None:
                transport.close()
            self._sock.close()

    def _transport(self) -> paramiko.Transport:
        self._sock.setblocking(True)
        transport = paramiko.Transport(self._sock, packetizer_class=_Packets)
        transport.local_version = CLIENT_BANNER.decode().strip()
        transport.banner_timeout = transport.clear_to_send_timeout = transport.channel_timeout = _FOREVER_S
        transport.auth_timeout = _FOREVER_S
        options = transport.get_security_options()
        options.ciphers = tuple(sorted(options.ciphers, key=lambda name: name not in _CHEAP_CIPHERS))
        preferred = self._host_keys.preferred(self._name)
        if preferred:
            first = [kind for kind in options.key_types if _family(kind) in preferred]
            options.key_types = tuple(first + [kind for kind in options.key_types if kind not in first])
        return transport

    def _log_in(self, transport: paramiko.Transport) -> tuple[NodeReason, str] | None:
        transport.start_client()
        key = transport.get_remote_server_key()
        verdict = self._host_keys.check(self._name, key)
        if isinstance(verdict, NodeReason):
            text = "it has another host key" if verdict is NodeReason.HOST_KEY_CHANGED else "its host key is not known"
            return verdict, f"{text} ({key.get_name()} {key.fingerprint})"
        self._host_key, self._rung = verdict, Rung.HOST_KEY
        try:
            more = transport.auth_publickey(self._user, self._key)
        except paramiko.AuthenticationException as error:
            if self._was_cut.is_set() or not transport.is_active():
                raise
            return NodeReason.AUTH_FAILED, f"it refused the key for user {self._user}: {printable(str(error))}"
        if more:
            return NodeReason.AUTH_FAILED, f"it wants {printable(', '.join(more))} besides the key"
        self._host_keys.pin(self._name, key)
        self._rung = Rung.LOGIN
        return None

    def _ask(self, transport: paramiko.Transport, began_s: float, ready_command: str) -> Probe:
        boot_id, uptime_s, hostname = parse_facts(self._execute(transport, FACTS_COMMAND)[1])
        reason, message = None, ""
        if ready_command:
            code, _ = self._execute(transport, ready_command)
            if code != 0:
                reason, message = NodeReason.NOT_READY, f"ready_command ended with status {code}"
        return Probe(
            began_s,
            Rung.COMMAND if reason is None else Rung.LOGIN,
            reason,
            message,
            self._host_key,
            boot_id,
            uptime_s,
            hostname,
        )

    def _execute(self, transport: paramiko.Transport, command: str) -> tuple[int, str]:
        """Run a command on the node. A node that runs none is no failure; a connection that breaks is."""
        try:
            channel = transport.open_session()
            channel.exec_command(command)
            output = b""
            while len(output) < _MAX_OUTPUT and (chunk := channel.recv(_MAX_OUTPUT)):
                output += chunk
            code = channel.recv_exit_status() if len(output) < _MAX_OUTPUT else -1
            channel.close()
        except (paramiko.SSHException, EOFError):
            if self._was_cut.is_set() or not transport.is_active():
                raise
            return -1, ""
        if self._was_cut.is_set() or not transport.is_active():
            raise EOFError("the connection ended during the command")
        return code, output.decode("utf-8", "replace")

    def _failure(self, error: Exception) -> tuple[NodeReason, str]:
        where = {Rung.BANNER: "the key exchange", Rung.HOST_KEY: "the login"}.get(self._rung, "the command")
        if self._was_cut.is_set():
            return NodeReason.TIMEOUT, f"{where} took too long"
        cause = printable(str(error)) or type(error).__name__
        return NodeReason.ERROR, f"the connection ended during {where}: {cause}"

    def _probe(self, began_s: float, reason: NodeReason, message: str) -> Probe:
        return Probe(began_s, self._rung, reason, message, self._host_key)


def parse_facts(output: str) -> tuple[str | None, float | None, str | None]:
    """Return boot id, uptime in seconds and host name from the output of FACTS_COMMAND; None for what is not there.

    A node may say anything: what has not the form of the fact is no fact.
    """
    told = [line.removeprefix(_MARK).strip() for line in output.splitlines() if line.startswith(_MARK)]
    boot_id, uptime, hostname = ([*told, "", "", ""])[:3]
    return _boot_id(boot_id), _uptime_s(uptime), hostname if is_hostname(hostname) else None


def _boot_id(text: str) -> str | None:
    plain = text.lower().replace("-", "")
    is_uuid = len(plain) == 32 and len(text) == 36 and all(c in "0123456789abcdef" for c in plain)  # noqa: PLR2004
    return text.lower() if is_uuid else None


def _uptime_s(text: str) -> float | None:
    first = text.split(" ", maxsplit=1)[0]
    if not first.replace(".", "", 1).isdigit() or not first.isascii() or len(first) > 20:  # noqa: PLR2004
        return None
    return float(first)


def _family(kind: str) -> str:
    """Return the type of key that signs with `kind`."""
    return "ssh-rsa" if kind in _RSA_SIGNATURES else kind
