"""Killed right before and right after each step between "request seen" and "request removed", the daemon goes on."""

import os
import signal

import pytest
from crashes import (
    assert_old_deadline,
    assert_served_once,
    await_clean,
    await_crash,
    begin_to_crash,
    crash,
    restart,
)
from machines import Machines
from site_folders import REQUEST
from world import World

from pinakad.report.vocabulary import Outcome, Reason
from pinakad.state.crash_points import CrashPoint

MOMENTS = ("begins", "done")
PUT_BACK = {CrashPoint.REQUEST_PUT_BACK}
CANCELLED = {CrashPoint.SCRIPT_ENDED}
COMPLETED = {
    CrashPoint.CANCEL_CLEARED,
    CrashPoint.FOLDER_MADE,
    CrashPoint.SAVED_VALIDATING,
    CrashPoint.REQUEST_REMEMBERED,
    CrashPoint.ANSWERS_CLEARED,
    CrashPoint.SNAPSHOT_TAKEN,
    CrashPoint.SAVED_LAUNCHING,
    CrashPoint.SUPERVISOR_STARTED,
    CrashPoint.SAVED_WAITING,
    CrashPoint.SAVED_POLLING,
    CrashPoint.SAVED_FINISHING,
    CrashPoint.SAVED_FINISHED,
    CrashPoint.ANSWER_WRITTEN,
    CrashPoint.CANCEL_REMOVED,
    CrashPoint.REQUEST_SET_ASIDE,
    CrashPoint.MARKED_ANSWERED,
    CrashPoint.REQUEST_FORGOTTEN,
    CrashPoint.REQUEST_REMOVED,
}
FAILED = {CrashPoint.SUPERVISOR_STARTED, CrashPoint.SAVED_FINISHING, CrashPoint.SAVED_FINISHED}


def each(steps: set[CrashPoint]) -> list[str]:
    return [f"{moment}: {step}" for step in CrashPoint if step in steps for moment in MOMENTS]


def test_every_step_is_crashed_at() -> None:
    assert set(CrashPoint) == COMPLETED | CANCELLED | PUT_BACK


@pytest.mark.parametrize("at", each(COMPLETED))
def test_a_run_that_goes_well_goes_well_over_a_crash(world: World, machines: Machines, at: str) -> None:
    machines.add(1)
    world.add_node(1)
    world.touch()
    crash(world, at)
    restart(world)
    report = world.answer()
    assert_served_once(world, report, Outcome.COMPLETED, 0)
    if at.endswith((CrashPoint.REQUEST_SET_ASIDE, CrashPoint.REQUEST_REMOVED)):
        await_clean(world)
        assert world.runs() == [report.id]


@pytest.mark.parametrize("at", each(FAILED))
def test_the_exit_status_of_a_script_that_fails_is_kept_over_a_crash(world: World, at: str) -> None:
    world.add_node(1)
    world.write_script("exit 7")
    world.touch()
    crash(world, at)
    restart(world)
    report = world.answer()
    assert_served_once(world, report, Outcome.FAILED, 7)
    assert report.reason is Reason.SCRIPT_FAILED


@pytest.mark.parametrize("at", each(CANCELLED | {CrashPoint.SAVED_FINISHING}))
def test_a_cancelled_run_stays_cancelled_over_a_crash(world: World, at: str) -> None:
    world.add_node(1)
    line, _ = world.gate()
    world.write_script(line)
    world.touch()
    begin_to_crash(world, at)
    world.wait(world.runs, "a script that runs")
    world.cancel()
    await_crash(world)
    restart(world)
    report = world.answer()
    assert_served_once(world, report, Outcome.CANCELLED, None)
    assert report.script is not None
    assert report.script.signal == signal.SIGTERM


@pytest.mark.parametrize("at", each(PUT_BACK))
def test_a_late_touch_of_a_request_that_was_set_aside_is_served_over_a_crash(world: World, at: str) -> None:
    world.add_node(1)
    world.write_script("exit 7")
    world.write('{"request_id": "held"}')  # an empty file that is open would be waited for
    held = os.open(world.markers / REQUEST, os.O_WRONLY)
    begin_to_crash(world, at)
    first = world.answer()
    world.wait(lambda: list(world.markers.glob(".pinakad-request-*")), "a request that is set aside")
    os.utime(held)
    os.close(held)
    await_crash(world)
    restart(world)
    second = world.answer()
    await_clean(world)
    world.wait_idle()
    assert world.runs() == world.deployments() == [first.id, second.id]
    assert_old_deadline(world, second)


def test_a_late_touch_after_a_crash_between_setting_aside_and_removing_is_served(world: World) -> None:
    world.add_node(1)
    world.write_script("exit 7")
    world.write('{"request_id": "held"}')  # an empty file that is open would be waited for
    held = os.open(world.markers / REQUEST, os.O_WRONLY)
    crash(world, f"done: {CrashPoint.MARKED_ANSWERED}")
    first = world.answer()
    restart(world)
    os.utime(held)
    os.close(held)
    second = world.answer()
    await_clean(world)
    assert world.runs() == [first.id, second.id]


def test_a_launch_whose_report_cannot_be_read_is_forbidden_before_its_request_is_served_anew(world: World) -> None:
    world.add_node(1)
    world.write_script("exit 7")
    world.touch()
    crash(world, f"begins: {CrashPoint.SUPERVISOR_STARTED}")
    (unreadable,) = world.deployments()
    for name in ("report.json", "report.durable.json"):
        (world.folder(unreadable) / name).write_text("{", encoding="utf-8")
    restart(world)
    report = world.answer()
    world.wait_idle()
    assert "tombstone" in (world.folder(unreadable) / "started").read_text(encoding="utf-8")
    assert world.runs() == [report.id]
    assert report.id != unreadable
