"""What may the daemon ask of root's side, and what does it do while nobody answers?"""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from pinakad import config
from pinakad.script.launch import START_LIMIT_S
from pinakad.script.launch_service import REFUSED, RefusedError, answer, command_of
from pinakad.script.outcome import Started
from pinakad.script.runners import TRY_FOR_S, SystemdRunner
from pinakad.times import Moment

ID = "20261123T212455Z.0001"
STARTED = Started(1, 1, 1, Moment("", 0.0, 0.0))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"start {ID}", f"systemctl --no-ask-password start --no-block --job-mode=fail pinakad-script@{ID}.service"),
        (f"stop {ID}", f"systemctl --no-ask-password stop pinakad-script@{ID}.service"),
        (
            f"show {ID}",
            f"systemctl --no-ask-password show --property=ActiveState,Job,Result pinakad-script@{ID}.service",
        ),
    ],
)
def test_a_verb_and_an_id_are_all_that_can_be_asked(line: str, words: str) -> None:
    assert command_of(line) == words.split()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "start",
        f"restart {ID}",
        f"kill {ID}",
        f"START {ID}",
        f"start  {ID}",
        f"start {ID} ssh.service",
        f"start {ID}\n",
        f"start {ID}\0",
        f"start {ID}x",
        f"start {ID} --job-mode=flush",
        f"start --job-mode=flush {ID}",
        "start evil",
        "start ../../etc",
        "start ssh.service",
        "start *",
        "stop *.service",
        "start 20261123T212455Z.٠٠٠١",  # noqa: RUF001 - digits, but not those of an id
        f"start {ID}{'0' * 40}",
        "daemon-reload",
        f"start {ID};reboot",
        f"start -H{ID}",
    ],
)
def test_anything_else_is_refused(line: str) -> None:
    with pytest.raises(RefusedError):
        command_of(line)


@pytest.mark.parametrize("data", [b"", b"start", b"x" * 5000, bytes(range(256)), b"reboot\n", b"start \xff\xfe\n"])
def test_a_connection_that_asks_for_nothing_known_is_refused_and_runs_nothing(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(5)
        with suppress(OSError):
            theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        code, text = answer(ours, os.getuid())
    assert (code, text.startswith("refused")) == (REFUSED, True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_only_the_daemons_user_is_listened_to() -> None:
    name = f"pinakad-test-{os.getpid()}"
    asker = (
        f"import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0{name}'); s.sendall(b'nothing\\n'); s.recv(1)"
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        listener.settimeout(10)
        for owner, said in ((4711, "ask for start"), (4712, "user id 4711 is not the daemon's")):
            words = ["setpriv", "--reuid=4711", "--clear-groups", "/usr/bin/python3", "-c", asker]
            with subprocess.Popen(words) as child:
                connection, _ = listener.accept()
                with connection:
                    code, text = answer(connection, owner)
                child.wait(10)
            assert code == REFUSED
            assert said in text


def test_the_program_answers_what_is_its_stdin(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(f"reboot {ID}\n".encode())
        words = [sys.executable, "-I", "-m", "pinakad", "launch-service"]
        environ = {"PINAKAD_STATE_DIRECTORY": str(tmp_path)}
        done = subprocess.run(
            words, stdin=ours, stdout=ours, stderr=subprocess.PIPE, env=environ, check=True, timeout=20
        )
        ours.close()
        theirs.settimeout(5)
        assert theirs.recv(1000).startswith(b"78\nrefused")
    assert b"refused" in done.stderr


def test_it_knows_the_daemons_state_folder_without_reading_what_a_launch_would_wait_for() -> None:
    source = Path(sys.modules["pinakad.script.launch_service"].__file__ or "").read_text(encoding="utf-8")
    assert f'"{config.DEFAULT_STATE_DIR}"' in source
    words = [
        sys.executable,
        "-I",
        "-c",
        "import pinakad.__main__, pinakad.script.launch_service, sys; print(' '.join(sys.modules))",
    ]
    loaded = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in loaded} & {"pydantic", "paramiko", "click"} == set()


# --- the daemon's side


class RootsSide:
    """Listens where root's side does, and gives the answers that the test wants, one connection after the other."""

    def __init__(self, path: Path, answers: list[bytes]) -> None:
        self.path = path
        self.asked: list[str] = []
        self._answers = answers
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for text in self._answers:
            connection, _ = self._listener.accept()
            with connection:
                self.asked.append(connection.recv(1000).decode())
                connection.sendall(text)

    def close(self) -> None:
        self._thread.join(10)
        self._listener.close()
        self.path.unlink()


async def test_who_does_not_answer_for_a_moment_is_asked_again_within_the_limit_of_a_launch(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    runner = SystemdRunner(ID, path)
    async with asyncio.TaskGroup() as group:
        start = group.create_task(runner.start({}))
        await asyncio.sleep(0)
        # a restarted socket, a connection that is closed at once, a systemd that re-executes itself, and then it goes
        side = await asyncio.to_thread(RootsSide, path, [b"", b"1\nFailed to connect to bus", b"0\n"])
        assert await start is None
    assert side.asked == [f"start {ID}\n"] * 3
    side.close()
    assert TRY_FOR_S < START_LIMIT_S


async def test_what_is_refused_is_not_asked_again(tmp_path: Path) -> None:
    side = RootsSide(tmp_path / "socket", [b"78\nrefused: why", b"5\nUnit not found."])
    runner = SystemdRunner(ID, side.path)
    assert "refused: why" in str(await runner.start({}))
    assert "Unit not found." in str(await runner.start({}))
    side.close()


async def test_a_unit_that_has_ended_has_failed_and_one_that_may_live_has_not(tmp_path: Path) -> None:
    said = [
        "Job=0 ActiveState=failed Result=exit-code",
        "Job=12 ActiveState=inactive Result=success",
        "ActiveState=active",
    ]
    side = RootsSide(tmp_path / "socket", [*(f"0\n{text}".encode() for text in said), b"0\n", b"0\n"])
    found = [await SystemdRunner(ID, side.path).failed() is not None for _ in said]
    assert found == [True, False, False]
    runner = SystemdRunner(ID, side.path)
    assert await runner.start({}) is None
    assert await runner.failed() is None  # it was asked just now
    assert await runner.stop("", STARTED)
    side.close()
