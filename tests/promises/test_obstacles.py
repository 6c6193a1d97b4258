"""What stands in the way in the marker folder and cannot be removed holds nobody up, and a cancel is seen in time."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crashes import crash, restart
from machines import Machines
from pinakactl import Operator
from site_folders import CANCEL
from world import World

from pinakad.report.document import Report
from pinakad.state.crash_points import CrashPoint

COMPLETED, FAILED = "deployment_completed", "deployment_failed"
ASIDE = ".pinakad-request-20200101T000000Z.0001"
DRAFT = ".pinakad-answer"


@pytest.fixture
def immutable() -> Iterator[Callable[[Path], None]]:
    """Make files that nobody can remove nor rename, root neither."""
    made: list[Path] = []

    def make(path: Path) -> None:
        path.write_text("in the way")
        if subprocess.run(["chattr", "+i", path], capture_output=True, check=False).returncode != 0:
            pytest.skip("this file system knows no immutable files, or we may not make them")
        made.append(path)

    yield make
    for path in made:
        subprocess.run(["chattr", "-i", path], check=True)


@pytest.fixture
def failing(world: World) -> World:
    """Give a world whose script fails."""
    world.add_node(1)
    world.write_script("exit 7")
    return world


def folder_with_something(path: Path) -> None:
    (path / "inside").mkdir(parents=True)


@pytest.mark.parametrize("name", [CANCEL, COMPLETED, FAILED, DRAFT, ASIDE])
def test_a_folder_that_is_not_empty_is_moved_away(failing: World, operator: Operator, name: str) -> None:
    world = failing
    folder_with_something(world.markers / name)
    world.start()
    world.touch()
    world.wait(lambda: not (world.markers / name).is_dir(), "the folder moved away")
    report = world.answer()
    if name == ASIDE:  # nobody knows it: it was put back as a request, and answered as one
        world.wait(lambda: len(world.deployments()) <= 2 and not world.requested(), "the requests gone")
        world.wait_idle()
    else:
        assert report.reason == "script_failed"
        world.wait_idle()
    assert operator.call("doctor").stdout.count("was moved away") == 1
    away = [path for path in world.markers.iterdir() if path.name.startswith(".pinakad-away-")]
    assert [entry.name for path in away for entry in path.iterdir()] == ["inside"]


@pytest.mark.parametrize("name", [CANCEL, COMPLETED, DRAFT, ASIDE])
def test_a_file_that_nobody_can_remove_holds_up_neither_the_start_nor_the_answer(
    failing: World, immutable: Callable[[Path], None], name: str
) -> None:
    world = failing
    immutable(world.markers / name)
    world.start()
    world.touch()
    world.wait(lambda: _finished(world), "the end of the run")
    report = Report.model_validate_json(
        world.wait(lambda: _read(world.markers / FAILED), "the answer beside what is in the way")
    )
    assert report.reason == "script_failed"
    world.wait_idle()
    assert world.runs() == [report.id]


def test_an_answer_that_cannot_be_put_in_its_place_is_told_in_the_report_and_status_and_comes_when_it_can(
    failing: World, immutable: Callable[[Path], None], operator: Operator
) -> None:
    world = failing
    immutable(world.markers / FAILED)
    world.start()
    world.touch()
    world.wait_for_log(f"cannot remove '{world.markers / FAILED}'")
    world.wait_idle()
    report = world.report()
    assert (report.reason, world.runs()) == ("script_failed", [report.id])
    assert "answer_blocked" in [problem.code for problem in report.problems]
    world.wait(lambda: any(FAILED in text for text in world.notify.statuses), "it in STATUS")
    done = operator.call("doctor")
    assert (done.returncode, "the answer cannot be put in its place" in done.stdout) == (1, True)
    subprocess.run(["chattr", "-i", world.markers / FAILED], check=True)
    world.wait(lambda: (world.markers / FAILED).read_bytes() != b"in the way", "the answer")
    assert world.answer().id == report.id
    assert "the answer cannot be put in its place" not in operator.call("doctor").stdout


def test_an_old_cancel_that_nobody_can_remove_cancels_nothing_also_after_a_restart(
    world: World, machines: Machines, immutable: Callable[[Path], None]
) -> None:
    machines.add(1)
    world.add_node(1)
    line, go = world.gate()
    world.write_script(line)
    immutable(world.markers / CANCEL)
    world.start()
    world.touch()
    world.wait(world.runs, "the script")
    world.kill()
    world.start()
    go()
    assert world.answer().outcome == "completed"
    go()
    assert world.serve().outcome == "completed"


# --- when does a cancel count?


@pytest.mark.parametrize(
    "at",
    [CrashPoint.REQUEST_REMEMBERED, CrashPoint.ANSWERS_CLEARED, CrashPoint.SNAPSHOT_TAKEN, CrashPoint.SAVED_LAUNCHING],
)
def test_a_cancel_that_stands_at_a_restart_is_seen_before_anything_is_launched(failing: World, at: CrashPoint) -> None:
    world = failing
    world.touch()
    crash(world, f"done: {at}")
    world.cancel()
    restart(world)
    report = world.answer()
    world.wait_idle()
    assert (report.outcome, world.runs()) == ("cancelled", [])
    assert not (world.markers / CANCEL).exists()


def test_a_cancel_that_came_after_the_request_while_no_daemon_ran_counts(failing: World) -> None:
    world = failing
    world.touch()
    world.cancel()
    world.start()
    report = world.answer()
    world.wait_idle()
    assert (report.outcome, world.runs()) == ("cancelled", [])
    assert world.serve().reason == "script_failed"


def _finished(world: World) -> bool:
    return bool(world.deployments()) and (world.folder() / "report.json").exists() and world.report().is_finished


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
