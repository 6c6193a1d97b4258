"""What becomes of a run whose disk is full or read-only: before it, while it runs, at its end?"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from disks import Disk, read_only, require_root
from world import ANSWERS, World

from pinakad.problems import Code
from pinakad.report.document import Report

DOCUMENTS = ("report.json", "report.durable.json", "started", "exit", "answered", "status.json", *ANSWERS)
SMALL = 512 * 1024
NO_ROOM = "no space left on device"
READ_ONLY = "read-only file system"


@pytest.fixture
def disk_on(world: World) -> Iterator[Callable[..., Disk]]:
    """Put a small disk under a folder of the world."""
    require_root()
    disks: list[Disk] = []

    def mount(folder: Path, size: int = SMALL) -> Disk:
        disks.append(Disk(folder, size))
        return disks[-1]

    yield mount
    if world.daemon is not None:
        world.kill()
    for disk in disks:
        disk.close()


def answer_now(world: World) -> Report:
    """Return the answer; the daemon is woken meanwhile by something that is none of its business."""
    woken = lambda: (world.markers / "somebody_elses").touch() or world._new_answer()  # noqa: E731
    world.wait(woken, "an answer")
    return world.answer()


def assert_whole(world: World) -> bool:
    """No document under its name is half written. Always true, to be used in a wait."""
    for folder in (world.state, world.markers, world.runtime):
        for path in folder.rglob("*"):
            if path.name in DOCUMENTS and path.name != "answered":
                try:
                    raw = path.read_bytes()
                except FileNotFoundError:
                    continue
                json.loads(raw)
    return True


def wait_until_told(world: World, cause: str) -> None:
    """Wait until log and STATUS say what cannot be written; every document is whole all the time."""
    told = lambda: assert_whole(world) and any(cause in text for text in world.notify.statuses)  # noqa: E731
    world.wait(told, f"'{cause}' in STATUS")
    assert f"{cause}" in world.log_text()


def test_a_request_waits_for_room_before_anything_is_launched(world: World, disk_on: Callable[..., Disk]) -> None:
    disk = disk_on(world.state)
    world.configure(script={"launch": True}, poll={"attempts": 1})
    world.add_node(1)
    world.start()
    disk.fill()
    world.touch()
    wait_until_told(world, NO_ROOM)
    assert (world.requested(), world.runs(), world.deployments()) == (True, [], [])
    disk.free()
    assert answer_now(world).reason == "nodes_unreachable"
    world.wait_idle()
    assert len(world.runs()) == 1


def test_a_run_whose_disk_is_full_at_any_page_is_launched_once_or_not_at_all(
    world: World, disk_on: Callable[..., Disk]
) -> None:
    disk = disk_on(world.state, 2 * SMALL)
    world.configure(poll={"attempts": 1, "reboot": "ignore"})
    world.add_node(1)
    world.start()
    reasons = set()
    for pages in range(14):
        before = len(world.runs())
        told = world.log_text().count(NO_ROOM)
        disk.leave(pages)
        world.touch()
        world.wait(
            lambda told=told: assert_whole(world) and (world._new_answer() or world.log_text().count(NO_ROOM) > told),
            "an answer or a reason to wait",
        )
        assert world.requested() or world._new_answer()
        disk.free()
        report = answer_now(world)
        world.wait_idle()
        reasons.add(report.reason)
        assert report.reason in ("nodes_unreachable", "launch_failed"), report.message
        assert len(world.runs()) - before == (report.reason == "nodes_unreachable"), report.message
        assert assert_whole(world)
    assert "nodes_unreachable" in reasons  # the supervisor itself takes no room any more: most launches are only late
    assert NO_ROOM in world.log_text()
    assert "Traceback" not in world.log_text()


def test_a_disk_that_fills_up_under_the_running_script_only_delays_the_answer(
    world: World, disk_on: Callable[..., Disk]
) -> None:
    disk = disk_on(world.state)
    line, go = world.gate()
    world.write_script(f"{line}; exit 7")
    world.add_node(1)
    world.start()
    world.touch()
    world.wait(world.runs, "the script")
    disk.fill()
    go()
    wait_until_told(world, NO_ROOM)
    assert (world.requested(), ANSWERS & {path.name for path in world.markers.iterdir()}) == (True, set())
    disk.free()
    report = world.answer()
    world.wait_idle()
    assert report.reason == "script_failed"
    assert report.script is not None
    assert report.script.exit_code == 7
    assert len(world.runs()) == 1


@pytest.mark.parametrize("restart", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_verdict_waits_for_room_in_the_state_folder_even_over_a_restart(
    world: World, disk_on: Callable[..., Disk], restart: bool
) -> None:
    disk = disk_on(world.state)
    short = dict.fromkeys(("connect_timeout_s", "banner_timeout_s", "auth_timeout_s", "command_timeout_s"), 0.5)
    world.configure(ssh=short, poll={"interval_s": 0.2, "attempts": 15})
    world.add_node(1)
    world.start()
    world.touch()
    world.wait_for_log("the script ended")
    disk.fill()
    wait_until_told(world, NO_ROOM)
    if restart:
        world.kill()
        world.start()
        wait_until_told(world, NO_ROOM)
    assert (world.requested(), ANSWERS & {path.name for path in world.markers.iterdir()}) == (True, set())
    disk.free()
    report = answer_now(world)
    world.wait_idle()
    assert report.reason == "nodes_unreachable"
    assert report == world.report(report.id)
    assert world.runs() == [report.id]


def test_the_answer_waits_for_room_in_the_marker_folder(world: World, disk_on: Callable[..., Disk]) -> None:
    disk = disk_on(world.markers)
    world.configure(poll={"attempts": 1})
    world.add_node(1)
    world.start()
    disk.fill()
    world.touch()
    wait_until_told(world, NO_ROOM)
    finished = world.report()
    assert (world.requested(), finished.phase, len(world.runs())) == (True, "finished", 1)
    assert ANSWERS & {path.name for path in world.markers.iterdir()} == set()
    disk.free()
    assert answer_now(world) == finished
    world.wait_idle()
    assert len(world.runs()) == 1


def test_a_state_folder_that_becomes_read_only_is_waited_out(world: World) -> None:
    require_root()
    world.configure(poll={"attempts": 1})
    world.add_node(1)
    world.start()
    with read_only(world.state):
        world.touch()
        wait_until_told(world, READ_ONLY)
        assert (world.requested(), world.runs()) == (True, [])
    assert answer_now(world).reason == "nodes_unreachable"
    world.wait_idle()
    assert len(world.runs()) == 1


@pytest.mark.parametrize("name", ["state", "runtime", "markers"])
def test_a_folder_that_is_read_only_at_the_start_is_waited_for(world: World, name: str) -> None:
    require_root()
    with read_only(getattr(world, name)):
        world.start(ready=False)
        world.wait(lambda: "it is read-only here" in world.log_text() or world.daemon_code(), "a word about it")
        assert world.daemon_code() is None
    world.wait(lambda: world.notify.count("READY=1"), "READY=1")


def test_a_marker_folder_that_becomes_read_only_during_a_run_gets_its_answer_later(world: World) -> None:
    require_root()
    line, go = world.gate()
    world.write_script(line)
    world.configure(poll={"attempts": 1})
    world.add_node(1)
    world.start()
    world.touch()
    world.wait(world.runs, "the script")
    with read_only(world.markers):
        go()
        wait_until_told(world, READ_ONLY)
        assert world.requested()
    report = answer_now(world)
    world.wait_idle()
    assert world.runs() == [report.id]


def test_output_that_the_disk_has_no_room_for_is_dropped_and_said_and_the_run_ends_by_itself(
    world: World, disk_on: Callable[..., Disk]
) -> None:
    disk_on(world.state, 24 << 20)
    world.write_script("head -c 40000000 /dev/zero | tr '\\0' x; echo the end")
    world.configure(poll={"attempts": 1})
    world.add_node(1)
    world.start()
    report = world.serve()
    kept = (world.folder() / "script.log").stat().st_size
    dropped = [problem for problem in report.problems if problem.code is Code.OUTPUT_DROPPED]
    assert len(dropped) == 1
    assert f"{40_000_008 - kept} bytes" in dropped[0].message
    assert report.script is not None
    assert report.script.exit_code == 0


def test_output_goes_on_into_the_log_with_a_note_once_there_is_room_again(
    world: World, disk_on: Callable[..., Disk]
) -> None:
    disk = disk_on(world.state, 24 << 20)
    line, go = world.gate()
    world.write_script(f'echo begin; {line}; echo lost; touch "{world.root}/said"; {line}; echo end')
    world.configure(poll={"attempts": 1})
    world.add_node(1)
    world.start()
    world.touch()
    world.wait(lambda: world.runs() and "begin" in script_log(world), "output")
    disk.fill()
    go()
    world.wait((world.root / "said").exists, "the script going on")
    disk.free()
    go()
    report = world.answer()
    lines = script_log(world).splitlines()
    assert lines == ["begin", "", "[pinakad: 5 bytes of output were dropped: no room on the disk]", "end"]
    assert [problem.message for problem in report.problems if problem.code is Code.OUTPUT_DROPPED] == [
        "5 bytes of the script's output were dropped"
    ]


def test_what_the_script_left_running_does_not_block_on_its_output_while_its_exit_cannot_be_written(
    world: World, disk_on: Callable[..., Disk]
) -> None:
    disk = disk_on(world.state)
    (first, go), (second, go_on) = world.gate(), world.gate()
    world.write_script(f'{first}; ({second}; head -c 1000000 /dev/zero; touch "{world.root}/said") & exit 0')
    world.configure(poll={"attempts": 1})
    world.add_node(1)
    world.start()
    world.touch()
    world.wait(world.runs, "the script")
    disk.fill()
    go()
    pid = json.loads((world.folder() / "started").read_bytes())["script_pid"]
    world.wait(lambda: not Path(f"/proc/{pid}").exists(), "the end of the script")
    go_on()
    world.wait((world.root / "said").exists, "its child going on")
    assert not (world.folder() / "exit").exists()
    disk.free()
    assert world.answer().reason == "nodes_unreachable"


def script_log(world: World) -> str:
    file = world.folder() / "script.log"
    return file.read_text(encoding="utf-8") if file.exists() else ""
