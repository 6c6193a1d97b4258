"""Does the daemon serve when file system events cannot be trusted, does it say so, and does it recover?"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from daemon_process import without_rights
from disks import Disk, require_root
from paths import PROGRAMS
from site_folders import REQUEST
from world import World

TAKEN_OVER = "rescans have taken over"
BY_RESCANS = "watching by rescans"


def short(world: World) -> None:
    """Let a run end soon: its one node is not there."""
    world.configure(poll={"attempts": 1, "reboot": "ignore"})
    world.add_node(1)


def wait_for_rescans(world: World, cause: str) -> None:
    """Wait until log, STATUS and status.json say that events are not to be trusted, and why."""
    world.wait(lambda: f"{BY_RESCANS}: " in last(world) and cause in last(world), f"'{cause}' in STATUS")
    world.wait_for_log(cause)
    assert TAKEN_OVER in world.log_text()
    world.wait(lambda: world.status().daemon.watch == "rescans", "rescans in status.json")


def wait_for_events(world: World) -> None:
    """Wait until nothing speaks of any trouble any more."""
    world.wait(lambda: last(world).startswith("idle"), "a STATUS without trouble")
    world.wait(lambda: BY_RESCANS not in last(world), "events again")
    world.wait(lambda: world.status().daemon.watch == "events", "events in status.json")


def last(world: World) -> str:
    return (world.notify.statuses or [""])[-1]


# --- events are lost


def test_a_request_among_thirty_thousand_files_that_overflow_the_queue_is_served_once(world: World) -> None:
    short(world)
    world.start()
    assert world.daemon is not None
    world.daemon.send_signal(signal.SIGSTOP)
    for number in range(30_000):
        (world.markers / f"other-{number}").touch()
        if number == 29_000:
            world.touch()
    world.daemon.send_signal(signal.SIGCONT)
    world.answer()
    world.wait_idle()
    assert len(world.runs()) == 1
    assert "queue overflow" in world.log_text()
    began_s = time.monotonic()
    assert world.serve().reason == "nodes_unreachable"
    assert time.monotonic() - began_s < 4, "events still wake the daemon, not only rescans"


def test_a_reader_thread_that_died_is_noticed_and_rescans_serve(world: World) -> None:
    short(world)
    world.program = [str(PROGRAMS / "odd_pinakad.py")]
    world.start(KILL_READER="1")
    world.wait(lambda: "no event comes any more" in last(world), "the trouble in STATUS")
    world.wait_for_log(f"no file system event comes; {TAKEN_OVER}")
    world.wait(lambda: world.status().daemon.watch == "rescans", "rescans in status.json")
    world.serve()
    world.serve()
    assert len(world.runs()) == 2


# --- the folder goes


def test_a_marker_folder_that_is_deleted_is_watched_again_when_it_is_back(world: World) -> None:
    short(world)
    world.start()
    shutil.rmtree(world.markers)
    wait_for_rescans(world, "no such file or directory")
    world.markers.mkdir()
    wait_for_events(world)
    assert "is watched again" in world.log_text()
    world.serve()
    assert len(world.runs()) == 1


def test_a_marker_folder_that_is_replaced_is_watched_and_its_request_served(world: World) -> None:
    short(world)
    world.start()
    new = world.root / "new"
    new.mkdir()
    (new / REQUEST).touch()
    world.markers.rename(world.root / "old")
    new.rename(world.markers)
    world.answer()
    world.wait_idle()
    (world.root / "old" / REQUEST).touch()  # nobody looks there any more
    for _ in range(2):
        world.serve()
    assert len(world.runs()) == 3
    assert (world.root / "old" / REQUEST).exists()


@pytest.mark.long
def test_a_marker_folder_that_is_unmounted_and_mounted_again_is_served_all_the_time(world: World) -> None:
    require_root()
    short(world)
    disk = Disk(world.markers, 1 << 20)
    try:
        world.start()
        world.serve()
    finally:
        disk.close()
    world.serve()
    disk = Disk(world.markers, 1 << 20)
    try:
        world.serve()
        world.kill()
    finally:
        disk.close()
    assert len(world.runs()) == 3


@pytest.mark.long
def test_a_marker_folder_that_is_unreadable_for_a_while_is_watched_again(world: World) -> None:
    short(world)
    world.as_who = without_rights()
    world.start()
    world.markers.chmod(0)
    wait_for_rescans(world, "permission denied")
    world.markers.chmod(0o755)
    wait_for_events(world)
    world.serve()
    assert len(world.deployments()) == 1


# --- as another user


@pytest.fixture
def other() -> Iterator[World]:
    """Give a world of a user whom nobody else is just now. That user may read what root may: also this checkout."""
    require_root()
    used = {path.stat().st_uid for path in Path("/proc").glob("[0-9]*") if path.exists()}
    user = next((user for user in pwd.getpwall() if 0 < user.pw_uid < 60_000 and user.pw_uid not in used), None)
    if user is None:
        pytest.skip("there is no unused user")
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name))
        short(world)
        who = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        world.as_who = ["setpriv", *who, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        for path in (world.root, *world.root.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
        yield world
        world.close()


@contextmanager
def hog(world: World, what: str) -> Iterator[None]:
    """Use up the inotify instances or watches of the world's user."""
    command = [*world.as_who, sys.executable, str(PROGRAMS / "inotify_hog.py"), what, str(world.drafts)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == b"full\n"
        yield
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        ("instances", "inotify instance limit"),
        pytest.param("watches", "inotify watch limit", marks=pytest.mark.long),
    ],
)
def test_without_inotify_at_the_start_it_serves_by_rescans_says_so_and_recovers(
    other: World, what: str, cause: str
) -> None:
    with hog(other, what):
        other.start()
        wait_for_rescans(other, cause)
        other.serve()
    wait_for_events(other)
    assert "is watched again" in other.log_text()
    serve_by_an_event(other)
    assert len(other.deployments()) == len(other.runs()) == 2


def serve_by_an_event(world: World) -> None:
    """A request is taken at once, long before the next rescan."""
    taken: Callable[[], int] = lambda: world.log_text().count("the request is taken")  # noqa: E731
    before = taken()
    world.rename_in()
    world.wait(lambda: taken() > before, "the request being taken", 3)
    report = world.answer()
    assert report.reason == "nodes_unreachable", report.message
    world.wait_idle()
