"""The worker's side of a login, driven without the daemon: messages and a node's socket in, messages out."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import Zoo
from machines import free_port
from site_folders import write_key

from pinakad import __version__
from pinakad.login.messages import (
    CLIENT_BANNER,
    MAX_MESSAGE_BYTES,
    Begin,
    Ended,
    FactsShown,
    Hello,
    HostKeyShown,
    HostKeyVerdict,
    ReadyVerdict,
    Settings,
    encode,
    from_worker,
)

ADDRESS = f"127.{os.getpid() % 250 + 2}.77"
KINDS = ("healthy", "silent_in_key_exchange", "hangs_in_command", "resets_in_login")


class Daemon:
    """The daemon's end of one worker."""

    def __init__(self, folder: Path, **settings: object) -> None:
        write_key(folder / "key.pem") if not (folder / "key.pem").exists() else None
        given = {"version": __version__, "key": str(folder / "key.pem"), "ready_command": "", "workers": 1}
        made = Settings(**(given | {"command_timeout_s": 5.0} | settings))  # type: ignore[arg-type]
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(20)
        command = [sys.executable, "-I", "-m", "pinakad.login.worker", str(theirs.fileno())]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[theirs.fileno()], env={}
        )
        theirs.close()
        assert self.process.stdin is not None
        self.process.stdin.write(encode(made))
        self.process.stdin.close()
        self.process.stdin = None

    def hear(self) -> Hello | HostKeyShown | FactsShown | Ended:
        return from_worker(self.sock.recv(MAX_MESSAGE_BYTES))

    def begin(self, number: int, port: int, kind: str, left_s: float = 10.0, *, ready: bool = False) -> None:
        node = socket.create_connection((f"{ADDRESS}.{KINDS.index(kind) + 1}", port))
        node.sendall(CLIENT_BANNER)
        socket.send_fds(self.sock, [encode(Begin(number, "root", [], left_s, ready=ready))], [node.fileno()])
        node.close()

    def judge(self, number: int, *, accepted: bool) -> None:
        self.sock.send(encode(HostKeyVerdict(number, accepted)))

    def close(self) -> None:
        self.sock.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = free_port()
    zoo = Zoo({f"{ADDRESS}.{number}:{port}": kind for number, kind in enumerate(KINDS, 1)})
    yield port
    zoo.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path)
    assert daemon.hear() == Hello("", is_key=False)
    yield daemon
    daemon.close()


def test_a_login_shows_the_host_key_waits_for_the_verdict_and_ends_with_the_facts(daemon: Daemon, port: int) -> None:
    daemon.begin(1, port, "healthy")
    shown = daemon.hear()
    assert isinstance(shown, HostKeyShown)
    daemon.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        daemon.sock.recv(MAX_MESSAGE_BYTES)  # nothing more happens before the verdict
    daemon.sock.settimeout(20)
    daemon.judge(1, accepted=True)
    ended = daemon.hear()
    assert isinstance(ended, Ended)
    assert (ended.login, ended.rung, ended.reason, ended.accepted) == (1, "command", None, True)
    assert ended.boot_id


def test_a_host_key_that_is_refused_ends_the_login_before_the_key_is_used(daemon: Daemon, port: int) -> None:
    daemon.begin(1, port, "healthy")
    daemon.hear()
    daemon.judge(1, accepted=False)
    ended = daemon.hear()
    assert isinstance(ended, Ended)
    assert (ended.rung, ended.reason, ended.accepted) == ("banner", "host_key_changed", False)


@pytest.mark.parametrize(
    ("kind", "rung"), [("silent_in_key_exchange", "banner"), ("hangs_in_command", "login"), ("resets_in_login", None)]
)
def test_limits_are_kept_and_one_login_does_not_hold_up_another(
    tmp_path: Path, port: int, kind: str, rung: str | None
) -> None:
    daemon = Daemon(tmp_path, command_timeout_s=0.5)
    daemon.hear()
    began_s = time.monotonic()
    daemon.begin(1, port, kind, 0.5)
    daemon.begin(2, port, "healthy")
    ends: dict[int, Ended] = {}
    while len(ends) < 2:
        message = daemon.hear()
        if isinstance(message, HostKeyShown):
            daemon.judge(message.login, accepted=True)
        elif isinstance(message, Ended):
            ends[message.login] = message
    assert ends[2].reason is None
    assert ends[1].reason == ("timeout" if rung else "error")
    assert rung in (None, ends[1].rung)
    assert time.monotonic() - began_s < 5
    daemon.close()


@pytest.mark.parametrize(("ready", "run"), [(False, False), (True, False), (True, True)])
def test_the_ready_command_is_run_where_it_is_asked_for_and_the_daemon_says_so_of_the_facts(
    tmp_path: Path, port: int, *, ready: bool, run: bool
) -> None:
    daemon = Daemon(tmp_path, ready_command="anything")
    daemon.hear()
    daemon.begin(1, port, "healthy", ready=ready)
    daemon.hear()
    daemon.judge(1, accepted=True)
    message = daemon.hear()
    if ready:
        assert isinstance(message, FactsShown)
        assert message.boot_id
        daemon.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            daemon.sock.recv(MAX_MESSAGE_BYTES)  # it waits for the verdict
        daemon.sock.settimeout(20)
        daemon.sock.send(encode(ReadyVerdict(1, run)))
        message = daemon.hear()
    assert isinstance(message, Ended)
    assert (message.rung, message.ready is not None) == ("command", run)
    daemon.close()


def test_a_begin_that_comes_without_its_socket_is_a_lack_of_this_machine(daemon: Daemon) -> None:
    daemon.sock.send(encode(Begin(1, "root", [], 1.0, ready=False)))
    ended = daemon.hear()
    assert isinstance(ended, Ended)
    assert (ended.lack, ended.no_thread) == (True, True)


def test_it_ends_with_the_daemon_also_while_a_login_hangs(daemon: Daemon, port: int) -> None:
    daemon.begin(1, port, "silent_in_key_exchange", 600.0)
    daemon.process.send_signal(signal.SIGTERM)  # of the whole service: the daemon's to act on
    daemon.begin(2, port, "healthy")
    assert isinstance(daemon.hear(), HostKeyShown)
    daemon.sock.close()
    assert daemon.process.wait(10) == 0


def test_a_message_that_is_none_ends_it(daemon: Daemon) -> None:
    daemon.sock.send(b"{}")
    assert daemon.process.wait(10) == 76
    assert daemon.process.stderr is not None
    assert b"a login process ends: " in daemon.process.stderr.read()


@pytest.mark.parametrize(
    ("settings", "is_key", "text"),
    [
        ({"key": "/nowhere/key"}, True, "cannot read the SSH key '/nowhere/key': no such file"),
        ({"version": "0.0.0"}, False, "systemctl restart pinakad"),
    ],
)
def test_one_that_cannot_begin_says_why_and_ends(
    tmp_path: Path, settings: dict[str, object], is_key: bool, text: str
) -> None:
    daemon = Daemon(tmp_path, **settings)
    hello = daemon.hear()
    assert isinstance(hello, Hello)
    assert hello.is_key is is_key
    assert text in hello.problem
    assert daemon.process.wait(10) == 0
    daemon.close()
