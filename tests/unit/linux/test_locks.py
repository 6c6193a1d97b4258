"""Can somebody who only holds a lock stop the daemon, or make others believe that one runs?"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from daemon_process import without_rights
from world import World

from pinakad.linux.locks import FolderLock, LockedError, holders, lock

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
OTHER = 4711
_HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[-1], os.O_RDONLY)
fcntl.flock(fd, fcntl.LOCK_SH if sys.argv[2] == "shared" else fcntl.LOCK_EX)
os.setresuid(int(sys.argv[1]), int(sys.argv[1]), int(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by(user: int, path: Path, called: str = "tail") -> Iterator[int]:
    """Let a process hold the lock, which then is another user's and has a word of one's choice in its command line."""
    words = [sys.executable, "-I", "-c", _HOLD, str(user), called, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process.pid
        process.kill()


def test_the_list_of_locks_tells_who_holds_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    assert holders(path) == []
    with held_by(os.getuid(), path, "pinakad") as pid:
        (holder,) = holders(path)
        assert (holder.pid, holder.user, holder.is_ours) == (pid, os.getuid(), True)
    assert holders(path) == []
    assert holders(tmp_path / "none") == []


# --- the daemon's lock


def test_only_its_owner_can_open_the_lock(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        os.close(lock(tmp_path / "lock"))
    finally:
        os.umask(old)
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


@as_root
def test_who_may_not_open_the_lock_can_still_tell_whether_a_daemon_runs(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(0o600)
    asker = [
        *without_rights(),
        sys.executable,
        "-c",
        "import sys; from pathlib import Path; from pinakad.linux.locks import *\n",
    ]
    asker[-1] += "print(is_locked(Path(sys.argv[1])))"

    def said() -> str:
        return subprocess.run([*asker, str(path)], capture_output=True, text=True, check=True).stdout

    with held_by(0, path):
        os.chown(path, OTHER, OTHER)
        assert said() == "True\n"
    assert said() == "False\n"


@as_root
def test_a_lock_of_an_earlier_version_that_a_stranger_holds_is_no_reason_to_stay_away(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(0o644)
    with held_by(OTHER, path, "pinakad"):
        held = lock(path)
        with pytest.raises(LockedError):
            lock(path)
    with pytest.raises(LockedError):
        lock(path)
    os.close(held)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["lock"]


def test_a_daemon_of_an_earlier_version_still_counts(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(0o644)
    with held_by(os.getuid(), path, "pinakad"), pytest.raises(LockedError, match="another pinakad uses it"):
        lock(path)


# --- the folder of the markers


def test_a_folder_is_locked_without_a_file_in_it(tmp_path: Path) -> None:
    with held_by(os.getuid(), tmp_path, "pinakad"), pytest.raises(LockedError):
        FolderLock(tmp_path).hold()
    ours = FolderLock(tmp_path)
    ours.hold()
    assert list(tmp_path.iterdir()) == []
    assert [holder.pid for holder in holders(tmp_path)] == [os.getpid()]


@as_root
@pytest.mark.parametrize(("user", "called"), [(OTHER, "tail"), (OTHER, "pinakad"), (OTHER, "shared"), (0, "tail")])
def test_a_folder_that_a_stranger_holds_is_served_and_he_is_named(
    tmp_path: Path, user: int, called: str, caplog: pytest.LogCaptureFixture
) -> None:
    ours = FolderLock(tmp_path)
    with held_by(user, tmp_path, called) as pid:
        for _ in range(3):
            ours.hold()
        assert [record.getMessage() for record in caplog.records if f"process {pid}" in record.getMessage()] == [
            record.getMessage() for record in caplog.records
        ]
        assert len(caplog.records) == 1
    ours.hold()  # now it can be had
    assert [holder.pid for holder in holders(tmp_path)] == [os.getpid()]


def test_a_program_that_is_only_called_pinakad_is_none(tmp_path: Path) -> None:
    """As sudo(8) is called by who hands it a lock of his: it has the user id of root alone."""
    text = "import fcntl, os, sys\nfd = os.open(sys.argv[1], os.O_RDONLY)\nfcntl.flock(fd, fcntl.LOCK_EX)\n"
    text += "os.set_inheritable(fd, True)\nprint('held', flush=True)\nos.execv('/bin/sleep', ['pinakad', '60627'])"
    with subprocess.Popen([sys.executable, "-c", text, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        command = Path(f"/proc/{process.pid}/cmdline")
        ends_s = time.monotonic() + 10
        while command.read_bytes() != b"pinakad\x0060627\0":
            assert time.monotonic() < ends_s, "it does not run"
        FolderLock(tmp_path).hold()
        process.kill()


@as_root
def test_the_daemon_starts_and_serves_whoever_holds_the_lock_of_its_folders(world: World) -> None:
    world.configure(poll={"attempts": 1, "reboot": "ignore"})
    world.add_node(1)
    (world.state / "lock").touch(0o644)
    with held_by(OTHER, world.markers), held_by(OTHER, world.state / "lock"):
        world.start()
        assert world.serve().reason == "nodes_unreachable"
    assert "is no pinakad of ours" in world.log_text()


# --- the supervisor's


def test_a_draft_cannot_be_opened_by_others_before_it_is_locked(tmp_path: Path) -> None:
    """A stranger who got its lock first held the launch up until it had failed."""
    program = "import sys; from pinakad.script import records; records.claim(sys.argv[1], records.TOMBSTONE)"
    words = [
        "strace",
        "-f",
        "-e",
        "trace=openat,open,flock,fchmod,link,linkat",
        sys.executable,
        "-c",
        program,
        tmp_path,
    ]
    calls = subprocess.run(words, capture_output=True, text=True, check=True).stderr.splitlines()
    number = next(number for number, call in enumerate(calls) if ".started." in call)
    acts = [call.partition("(")[0] for call in calls[number:]]
    assert ", 0600)" in calls[number]
    assert acts.index("flock") < acts.index("fchmod")
    assert (tmp_path / "started").stat().st_mode & 0o777 == 0o644


def test_who_holds_the_lock_of_started_does_not_keep_a_lost_script_alive(world: World) -> None:
    line, _ = world.gate()
    world.write_script(line)
    world.configure(poll={"attempts": 2})
    world.add_node(1)
    world.start()
    world.touch()
    started = world.wait(lambda: next(iter(world.state.glob("deployments/*/started")), None), "started")
    pid = json.loads(started.read_bytes())["supervisor_pid"]
    stop = threading.Event()
    waiting = threading.Thread(target=_take_over, args=(started, stop))
    waiting.start()
    os.kill(pid, signal.SIGKILL)
    try:
        report = world.answer()
    finally:
        stop.set()
        waiting.join()
    assert report.reason == "script_lost"


def _take_over(started: Path, stop: threading.Event) -> None:
    """Get the lock as soon as it can be had, and keep it."""
    with started.open("rb") as file:
        while not stop.is_set():
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            stop.wait()
