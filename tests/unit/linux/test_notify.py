import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pinakad.linux.notify import MAX_STATUS, Notifier, watchdog_interval_s


@contextmanager
def notifier_for(path: str) -> Iterator[Notifier]:
    """Give a notifier as a daemon with this NOTIFY_SOCKET has it."""
    before = os.environ.get("NOTIFY_SOCKET")
    os.environ["NOTIFY_SOCKET"] = path
    try:
        notifier = Notifier()
    finally:
        os.environ.pop("NOTIFY_SOCKET")
        if before is not None:
            os.environ["NOTIFY_SOCKET"] = before
    yield notifier
    if notifier._notifier.socket is not None:
        notifier._notifier.socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        yield sock


@pytest.fixture
def notifier(tmp_path: Path, manager: socket.socket) -> Iterator[Notifier]:
    with notifier_for(str(tmp_path / "notify")) as notifier:
        yield notifier


def test_each_call_is_one_message(notifier: Notifier, manager: socket.socket) -> None:
    for call in (notifier.ready, notifier.alive, notifier.reloading, notifier.stopping):
        call()
    # RELOADING=1 may bring MONOTONIC_USEC= with it
    said = [manager.recv(4096).split(b"\n")[0].split(b" ")[0] for _ in range(4)]
    assert said == [b"READY=1", b"WATCHDOG=1", b"RELOADING=1", b"STOPPING=1"]


def test_a_status_is_sent_once_until_it_changes(notifier: Notifier, manager: socket.socket) -> None:
    for text in ("a", "a", "b", "a"):
        notifier.status(text)
    manager.setblocking(False)
    assert [manager.recv(4096) for _ in range(3)] == [b"STATUS=a", b"STATUS=b", b"STATUS=a"]
    with pytest.raises(BlockingIOError):
        manager.recv(4096)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("node n\u00f6de \u2603", b"STATUS=node n?de ?"),
        ("two\nREADY=1", b"STATUS=two READY=1"),
        ("\udc80", b"STATUS=?"),
        ("x" * 1000, b"STATUS=" + b"x" * MAX_STATUS),
    ],
)
def test_any_text_is_one_line_of_ascii(notifier: Notifier, manager: socket.socket, text: str, said: bytes) -> None:
    notifier.status(text)
    assert manager.recv(4096) == said


def test_a_manager_that_does_not_read_stops_nobody(notifier: Notifier) -> None:
    for number in range(5000):
        notifier.status(str(number))


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # sdnotify leaves it to the garbage collector
def test_without_a_manager_every_call_does_nothing(tmp_path: Path) -> None:
    for path in ("", str(tmp_path / "nobody")):
        with notifier_for(path) as notifier:
            notifier.ready()
            notifier.status("x")


def test_a_socket_may_have_an_abstract_name() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0pinakad-test-{os.getpid()}")
        manager.settimeout(5)
        with notifier_for(f"@pinakad-test-{os.getpid()}") as notifier:
            notifier.ready()
            assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 10),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 10),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_alive_is_due_three_times_in_the_watchdogs_limit(environ: dict[str, str], interval_s: float | None) -> None:
    assert watchdog_interval_s(environ) == interval_s
