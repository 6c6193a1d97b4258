"""One login worker, as the daemon has it: its process, the socket to it, and the logins that it was given.

The worker is not trusted with more than it needs: its messages are checked, a wrong one ends it, and so does a login
that takes longer than its limits. Its other logins then raise WorkerEndedError.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, strsignal

from pinakad.login.messages import (
    MAX_MESSAGE_BYTES,
    Begin,
    Ended,
    FactsShown,
    Hello,
    HostKeyShown,
    HostKeyVerdict,
    MessageError,
    ReadyVerdict,
    Settings,
    encode,
    from_worker,
)
from pinakad.printable import cause_of

_PROGRAM = (sys.executable, "-I", "-m", "pinakad.login.worker")
_AT_ONCE = 64
"""How many messages are read before the loop goes on with other work."""


class WorkerEndedError(Exception):
    """The worker ended during a login, or could not be given it.

    `by_kill`: by SIGKILL, which no node can cause, but a lack of memory can.
    """

    def __init__(self, how: str, *, by_kill: bool) -> None:
        super().__init__(how)
        self.by_kill = by_kill


@dataclass(slots=True)
class _LoginUnderWay:
    future: "asyncio.Future[Ended]"
    judge: Callable[[str, str], bool]
    judge_facts: Callable[[FactsShown], bool]


class WorkerProcess:
    """A worker. `on_hello` is called once, where it can begin or knows why it cannot; `on_end` once it has ended.

    Raises OSError where the system has no process, no memory or no descriptor for it.
    """

    def __init__(
        self,
        settings: Settings,
        on_hello: Callable[["WorkerProcess", Hello], None],
        on_end: Callable[["WorkerProcess"], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_hello = on_hello
        self._on_end = on_end
        self._logins: dict[int, _LoginUnderWay] = {}
        self._outbox: deque[tuple[bytes, socket.socket | None, int]] = deque()
        self.has_ended = self.greeted = False
        self.how_ended = ""
        self._sock, self._process = _start(settings)
        try:
            self._pidfd = os.pidfd_open(self._process.pid)
        except OSError:
            self._end_now()
            raise
        self._loop.add_reader(self._sock.fileno(), self._read)
        self._loop.add_reader(self._pidfd, self._ended)

    @property
    def load(self) -> int:
        """How many logins are under way."""
        return len(self._logins)

    def begin(
        self,
        sock: socket.socket,
        begin: Begin,
        judge: Callable[[str, str], bool],
        judge_facts: Callable[[FactsShown], bool],
    ) -> "asyncio.Future[Ended]":
        """Begin a login on a connected socket; return the future of its end, which may raise WorkerEndedError.

        `judge(type, blob in base64)` says whether the host key is the node's, `judge_facts` whether the ready_command
        may be run on the machine. The worker gets a socket of its own: shut
        down, this one ends the login.
        """
        future: asyncio.Future[Ended] = self._loop.create_future()
        self._logins[begin.login] = _LoginUnderWay(future, judge, judge_facts)
        self._send(encode(begin), begin.login, sock)
        return future

    def cpu_s(self) -> float:
        """Return how long the process has computed, in seconds (proc(5), utime and stime of stat); 0 for none."""
        try:
            words = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def give_up(self, ended: Ended) -> None:
        """End a login, which the worker cannot end, with the worker."""
        login = self._logins.pop(ended.login, None)
        if login is not None and not login.future.done():
            login.future.set_result(ended)
        self._kill(f"login {ended.login} took longer than its limits: {ended.message}")

    def close(self) -> None:
        """End the process, which has no state that could be lost, and wait for it; its logins are cancelled."""
        if self.has_ended:
            return
        for login in self._logins.values():
            login.future.cancel()
        self._logins.clear()
        self._forget_descriptors()
        self._end_now()
        self.has_ended = True

    def _kill(self, how: str) -> None:
        if not self.has_ended:
            self.how_ended = self.how_ended or how
            self._process.kill()

    # --- what is sent

    def _send(self, data: bytes, login: int, sock: socket.socket | None = None) -> None:
        self._outbox.append((data, sock, login))
        if len(self._outbox) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._outbox:
            data, sock, login = self._outbox[0]
            try:
                socket.send_fds(self._sock, [data], [sock.fileno()] if sock else [])
            except BlockingIOError:
                self._loop.add_writer(self._sock.fileno(), self._flush)
                return
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has ended: how, and what that means for its logins, is known in a moment
            except OSError as error:  # the node's socket cannot be handed over
                self._fail(login, WorkerEndedError(f"it cannot be told: {cause_of(error)}", by_kill=True))
            self._outbox.popleft()
        self._loop.remove_writer(self._sock.fileno())

    # --- what is received

    def _read(self) -> None:
        try:
            for _ in range(_AT_ONCE):
                data = self._sock.recv(MAX_MESSAGE_BYTES + 1)
                if not data:
                    self._loop.remove_reader(self._sock.fileno())
                    return
                self._receive(from_worker(data))
        except BlockingIOError:
            return
        except ConnectionError:
            self._loop.remove_reader(self._sock.fileno())
        except MessageError as error:
            self._kill(f"it sent a wrong message: {error}")

    def _receive(self, message: Hello | HostKeyShown | FactsShown | Ended) -> None:
        if isinstance(message, Hello):
            self.greeted = True
            self._on_hello(self, message)
            return
        login = self._logins.get(message.login)
        if login is None:
            raise MessageError("it speaks of a login that it does not have")
        if isinstance(message, HostKeyShown):
            verdict = HostKeyVerdict(message.login, login.judge(message.kind, message.blob))
            self._send(encode(verdict), message.login)
            return
        if isinstance(message, FactsShown):
            self._send(encode(ReadyVerdict(message.login, login.judge_facts(message))), message.login)
            return
        del self._logins[message.login]
        if not login.future.done():
            login.future.set_result(message)

    # --- its end

    def _ended(self) -> None:
        """Act on the end of the process; what it has sent before counts."""
        with suppress(OSError):
            self._read()
        code = self._process.wait()
        self._forget_descriptors()
        self.has_ended = True
        self.how_ended = self.how_ended or _how(code)
        self._on_end(self)
        error = WorkerEndedError(self.how_ended, by_kill=code == -SIGKILL)
        for login in list(self._logins):
            self._fail(login, error)

    def _fail(self, login: int, error: WorkerEndedError) -> None:
        under_way = self._logins.pop(login, None)
        if under_way is not None and not under_way.future.done():
            under_way.future.set_exception(error)
            under_way.future.exception()  # a login that was cancelled has nobody to raise it

    def _forget_descriptors(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        os.close(self._pidfd)
        self._outbox.clear()
        self._sock.close()

    def _end_now(self) -> None:
        self._process.kill()
        self._process.wait()
        self._sock.close()


def _start(settings: Settings) -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with theirs, os.fdopen(os.memfd_create("settings"), "w+b") as given:
            given.write(encode(settings))
            given.seek(0)
            command = [*_PROGRAM, str(theirs.fileno())]
            process = subprocess.Popen(
                command, stdin=given, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env={}
            )
    except BaseException:
        ours.close()
        raise
    ours.setblocking(False)
    return ours, process


def _how(code: int) -> str:
    return f"it was ended by {strsignal(-code)}" if code < 0 else f"it ended with status {code}"
