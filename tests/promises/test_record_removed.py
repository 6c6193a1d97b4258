"""Somebody removes what a running deployment has written down: it ends with an answer, and its script ran once."""

import shutil
from collections.abc import Callable

import pytest
from world import World

from pinakad.linux.locks import is_locked

GONE = "was removed by somebody else"


def remove_its_folder(world: World) -> None:
    shutil.rmtree(world.folder().rename(world.root / "removed"))


def remove_all_state(world: World) -> None:
    (world.root / "removed").mkdir()
    for path in world.state.iterdir():
        path.rename(world.root / "removed" / path.name)


REMOVALS = [remove_its_folder, remove_all_state]


@pytest.fixture
def running(world: World) -> tuple[World, Callable[[], None]]:
    """Give a world whose script runs, and what lets it end with status 7."""
    world.add_node(1)
    line, go = world.gate()
    world.write_script(f"{line}; exit 7")
    world.start()
    world.touch()
    world.wait(world.runs, "the script's run")
    world.wait(lambda: world.report().phase == "polling", "polling")
    return world, go


@pytest.mark.parametrize("remove", REMOVALS)
def test_a_run_whose_record_is_removed_goes_on_to_its_own_end(
    running: tuple[World, Callable[[], None]], remove: Callable[[World], None]
) -> None:
    world, go = running
    (identifier,) = world.deployments()
    remove(world)
    world.wait_for_log(GONE)
    go()
    report = world.answer()
    world.wait_idle()
    assert (report.id, report.reason) == (identifier, "script_failed")
    assert report.script is not None
    assert report.script.exit_code == 7
    assert world.runs() == [identifier]
    assert world.report(identifier) == report


@pytest.mark.parametrize("remove", REMOVALS)
@pytest.mark.parametrize("ends", ["before the start", "after it"])
def test_a_daemon_that_is_killed_after_that_launches_nothing_again(
    running: tuple[World, Callable[[], None]], remove: Callable[[World], None], ends: str
) -> None:
    world, go = running
    (identifier,) = world.deployments()
    remove(world)
    folder = world.state / "deployments" / identifier
    world.wait((folder / "report.json").exists, "the report made again")
    world.kill()
    if ends == "before the start":
        go()
        world.wait((folder / "exit").exists, "the script's end")
    world.start()
    if ends == "after it":
        go()
    report = world.answer()
    world.wait_idle()
    assert (report.id, report.reason) == (identifier, "script_failed")
    assert world.runs() == [identifier]


@pytest.mark.parametrize("remove", REMOVALS)
def test_a_record_that_is_removed_while_no_daemon_runs_ends_the_run_without_a_second_launch(
    running: tuple[World, Callable[[], None]], remove: Callable[[World], None]
) -> None:
    world, go = running
    (first,) = world.deployments()
    world.kill()
    remove(world)
    world.start()
    report = world.answer()
    world.wait_idle()
    assert (report.reason, report.id != first) == ("state_unreadable", True)
    assert first in report.message
    assert "still runs" in report.message
    go()
    world.wait(lambda: not world.requested(), "the request gone")
    assert world.runs() == [first]


def test_a_touch_that_came_while_the_record_was_removed_is_served(running: tuple[World, Callable[[], None]]) -> None:
    world, go = running
    (first,) = world.deployments()
    world.kill()
    go()
    remove_its_folder(world)
    world.touch()
    world.start()
    world.wait(lambda: any("state_unreadable" in path.read_text() for path in world.state.rglob("report.json")), "it")
    go()
    world.wait(lambda: len(world.runs()) == 2, "the second run")
    world.wait_idle()
    assert world.runs() == [first, world.deployments()[-1]]


def test_a_record_that_is_removed_after_the_answer_is_not_missed(running: tuple[World, Callable[[], None]]) -> None:
    world, go = running
    go()
    report = world.answer()
    world.wait_idle()
    world.kill()
    remove_its_folder(world)
    world.start()
    go()
    second = world.serve()
    assert second.reason == "script_failed"
    assert world.runs() == [report.id, second.id]


@pytest.mark.parametrize("removed", ["its content", "the folder"])
def test_a_daemon_whose_state_is_removed_takes_requests_and_is_known_to_run(world: World, removed: str) -> None:
    world.add_node(1)
    world.write_script("exit 7")
    world.start()
    if removed == "the folder":
        shutil.rmtree(world.state)
    else:
        remove_all_state(world)
    world.wait((world.state / "lock").exists, "the lock made again")
    assert is_locked(world.state / "lock")
    assert world.serve().reason == "script_failed"
    first = world.daemon
    world.start(ready=False)
    second, world.daemon = world.daemon, first
    assert second is not None
    assert second.wait(20) == 75
    assert len(world.runs()) == 1


def test_a_good_answer_stays_where_its_record_and_the_memory_of_it_are_lost(
    running: tuple[World, Callable[[], None]],
) -> None:
    world, go = running
    remembered = (world.state / "served.json").read_bytes()
    go()
    report = world.answer()
    world.wait_idle()
    world.kill()
    remove_its_folder(world)
    (world.state / "served.json").write_bytes(remembered)  # as it was before the answer
    world.start()
    go()
    second = world.serve()
    assert second.reason == "script_failed", "the next answer is the next request's"
    assert world.runs() == [report.id, second.id]
