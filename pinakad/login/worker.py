"""A login worker: a process that has the SSH key and logs in to nodes, on sockets that the daemon hands over.

It waits for messages of the daemon (messages.py) and runs each login in a thread. It ends when the daemon's side of the
socket is closed. It keeps the limits of each login in own time (own_time.py); the daemon kills it where it does not.

python -I -m pinakad.login.worker DESCRIPTOR   with the settings on stdin, as JSON
"""

import logging
import os
import select
import socket
import sys
import threading
import time
from functools import partial
from pathlib import Path

import paramiko

from pinakad import __version__
from pinakad.login import sandbox
from pinakad.login.key_file import SshKeyError
from pinakad.login.keys import load_key
from pinakad.login.login import Login
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
    from_daemon,
    settings_of,
)
from pinakad.login.own_time import TICK_S, OwnClock
from pinakad.login.transport import Pace
from pinakad.polling.vocabulary import NodeReason, Rung

_EXIT_PROTOCOL = 76  # sysexits.h: EX_PROTOCOL


class Worker:
    """Runs the logins that the daemon begins."""

    def __init__(self, sock: socket.socket, settings: Settings, key: paramiko.PKey) -> None:
        self._sock = sock
        self._settings = settings
        self._key = key
        self._pace = Pace(settings.workers)
        self._notices: set[str] = set()
        self._logins: dict[int, Login] = {}
        self._due_s: dict[int, float] = {}
        self._clock = OwnClock()

    def serve(self) -> None:
        """Serve until the daemon closes its side. Raises MessageError where it says what this side does not know."""
        waiting = select.poll()
        waiting.register(self._sock, select.POLLIN)
        while True:
            at_rest = not self._logins
            found = waiting.poll(None if at_rest else TICK_S * 1000)
            if at_rest:
                self._clock.resume(time.monotonic())
            self._clock.advance(time.monotonic())
            self._cut_late_ones()
            if found and not self._receive():
                return

    def _receive(self) -> bool:
        """Act on one message; return False where there will be none any more."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._sock, MAX_MESSAGE_BYTES, 1)
        except ConnectionError:
            return False
        if not data:
            return False
        message = from_daemon(data)
        if isinstance(message, HostKeyVerdict):
            login = self._logins.get(message.login)
            if login is not None:
                login.judge(accepted=message.accepted)
        elif isinstance(message, ReadyVerdict):
            login = self._logins.get(message.login)
            if login is not None:
                login.judge_ready(run=message.run)
        elif descriptors:
            self._begin(message, socket.socket(fileno=descriptors[0]))
        else:  # the kernel had no descriptor for it (unix(7), MSG_CTRUNC)
            text = "no descriptor is left to log in with"
            self._say(Ended(message.login, Rung.BANNER, NodeReason.ERROR, text, lack=True, no_thread=True))
        return True

    def _begin(self, begin: Begin, sock: socket.socket) -> None:
        show, on_login = partial(self._show, begin.login), partial(self._logged_in, begin.login)
        shared = (self._key, self._settings.ready_command, self._pace, self._notices)
        login = Login(sock, begin, *shared, show, self._say, on_login)
        self._due_s[begin.login] = self._clock.own_s + begin.left_s
        self._logins[begin.login] = login
        try:
            threading.Thread(target=self._run, args=(begin.login, login), name="login", daemon=True).start()
        except RuntimeError as error:
            self._forget(begin.login)
            sock.close()
            text = f"no thread is left to log in with: {error}"
            self._say(Ended(begin.login, Rung.BANNER, NodeReason.ERROR, text, lack=True, no_thread=True))

    def _run(self, number: int, login: Login) -> None:
        ended = login.run()
        self._forget(number)
        self._say(ended)

    def _forget(self, number: int) -> None:
        self._logins.pop(number, None)
        self._due_s.pop(number, None)

    def _show(self, number: int, kind: str, blob: str) -> None:
        self._say(HostKeyShown(number, kind, blob))

    def _logged_in(self, number: int) -> None:
        if number in self._due_s:
            self._due_s[number] = self._clock.own_s + self._settings.command_timeout_s

    def _cut_late_ones(self) -> None:
        late = [number for number, due_s in list(self._due_s.items()) if due_s <= self._clock.own_s]
        for number in late:
            login = self._logins.get(number)
            self._due_s.pop(number, None)
            if login is not None:
                login.cut()

    def _say(self, message: Hello | HostKeyShown | FactsShown | Ended) -> None:
        try:
            self._sock.send(encode(message))
        except OSError:  # the daemon has closed its side: the process ends soon
            self._logins.clear()


def _confine() -> None:
    """Give up what is not needed any more; where a filter of system calls forbids even that, the logins go on."""
    try:
        sandbox.after_the_key()
    except OSError as error:
        sys.stderr.write(f"<4>a login process is not confined: {error}; pinakactl setup renews the unit\n")


def main() -> None:
    """Run a worker on the socket whose descriptor is the first argument, and end the process."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
    sock = socket.socket(fileno=int(sys.argv[1]))
    settings = settings_of(sys.stdin.buffer.read())
    sandbox.before_the_key()
    try:
        if settings.version != __version__:
            text = f"version {__version__} was installed while {settings.version} runs: systemctl restart pinakad"
            sock.send(encode(Hello(text, is_key=False)))
            return
        key = load_key(Path(settings.key))
        _confine()
        sock.send(encode(Hello("", is_key=False)))
        Worker(sock, settings, key).serve()
    except SshKeyError as error:
        sock.send(encode(Hello(str(error), is_key=True)))
    except OSError as error:
        sock.send(encode(Hello(f"a login process cannot begin: {error}", is_key=False)))
    except MessageError as error:
        sys.stderr.write(f"a login process ends: {error}\n")
        os._exit(_EXIT_PROTOCOL)
    os._exit(0)  # threads that still wait for a node do not keep it


if __name__ == "__main__":
    main()
