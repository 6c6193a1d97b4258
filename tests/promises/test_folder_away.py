"""The marker folder is away at the end of a run, and another one is in its place: nothing is served twice or lost."""

import os
from collections.abc import Callable

import pytest
from pinakactl import Operator, ended
from site_folders import REQUEST
from world import ANSWERS, World

from pinakad.report.document import Report


@pytest.fixture
def running(world: World) -> tuple[World, Callable[[], None]]:
    """Give a world whose script runs, and what lets it end with status 7."""
    world.add_node(1)
    line, go = world.gate()
    world.write_script(f"{line}; exit 7")
    world.start()
    world.touch()
    world.wait(world.runs, "the script's run")
    return world, go


def take_away(world: World) -> None:
    """Move the folder, and put an empty one in its place, as an unmount does."""
    world.markers.rename(world.root / "elsewhere")
    world.markers.mkdir()


def bring_back(world: World) -> None:
    """Put the folder back, as a mount does."""
    world.markers.rename(world.root / "empty")
    (world.root / "elsewhere").rename(world.markers)


def answers(world: World) -> set[str]:
    return ANSWERS & {entry.name for entry in world.markers.iterdir()}


def finished(world: World) -> Report | None:
    try:
        report = world.report()
    except FileNotFoundError:  # it begins
        return None
    return report if report.is_finished else None


@pytest.mark.parametrize("restarts", ["never", "away", "back", "both"])
def test_a_request_that_was_away_at_the_end_of_its_run_is_not_served_again_and_is_answered(
    running: tuple[World, Callable[[], None]], restarts: str
) -> None:
    world, go = running
    take_away(world)
    if restarts in ("away", "both"):
        world.kill()
        world.start()
    go()
    report = world.wait(lambda: finished(world), "the end of the run")
    world.wait(lambda: answers(world), "an answer in the folder that is there")
    if restarts in ("back", "both"):
        world.kill()
    bring_back(world)
    if restarts in ("back", "both"):
        world.start()
    world.wait_idle()
    assert world.answer() == report
    assert world.runs() == world.deployments() == [report.id]
    go()
    assert world.serve().id != report.id
    assert len(world.runs()) == 2


def test_other_requests_are_served_meanwhile_and_what_comes_back_gets_the_latest_answer(
    running: tuple[World, Callable[[], None]],
) -> None:
    world, go = running
    (first,) = world.deployments()
    take_away(world)
    go()
    world.wait(lambda: finished(world), "the end of the run")
    go()
    world.touch()
    world.wait(lambda: len(world.deployments()) == 2 and finished(world), "the second run")
    second = world.deployments()[-1]
    world.wait((world.folder(second) / "answered").exists, "the second request gone, and that written down")
    bring_back(world)
    world.wait_idle()
    world.wait(lambda: not list(world.markers.glob(".pinakad-*")), "a marker folder without asides")
    world.wait(lambda: (world.state / "served.json").read_text().strip() == "[]", "a ledger that has forgotten both")
    assert world.answer().id == second
    assert world.runs() == [first, second]


def test_a_touch_while_it_was_away_is_served_once_it_is_back(running: tuple[World, Callable[[], None]]) -> None:
    world, go = running
    take_away(world)
    go()
    world.wait(lambda: finished(world), "the end of the run")
    os.utime(world.root / "elsewhere" / REQUEST)
    bring_back(world)
    go()
    world.wait(lambda: len(world.deployments()) == 2 and finished(world), "the second run")
    world.wait_idle()
    assert world.runs() == world.deployments()


# --- the same file, linked in again


@pytest.fixture
def template(world: World) -> World:
    """Give a world whose requests are always the same file, linked in."""
    world.add_node(1)
    world.write_script("exit 7")
    (world.drafts / "template").write_text("")
    return world


def link_in(world: World) -> None:
    os.link(world.drafts / "template", world.markers / REQUEST)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_file_that_is_linked_in_again_is_a_new_request_each_time(template: World, restarts: bool) -> None:
    world = template
    world.start()
    for number in range(1, 4):
        link_in(world)
        report = world.answer()
        world.wait_idle()
        if restarts:
            world.kill()
            world.start()
        assert len(world.runs()) == number
        assert world.runs()[-1] == report.id
    assert len({world.report(identifier).request.mtime_ns for identifier in world.deployments()}) == 1


def test_a_file_that_is_removed_and_linked_in_again_during_its_run_is_served_again(template: World) -> None:
    world = template
    line, go = world.gate()
    world.write_script(f"{line}; exit 7")
    world.start()
    link_in(world)
    world.wait(world.runs, "the script's run")
    (world.markers / REQUEST).unlink()
    world.wait_for_log("was removed by somebody else while it is served")
    link_in(world)
    world.wait(lambda: world.status().daemon.queued, "the queued request in status.json")
    world.kill()
    world.start()
    go()
    first = world.answer()
    go()
    second = world.answer()
    world.wait_idle()
    assert world.runs() == [first.id, second.id]


def test_wait_waits_for_the_run_of_a_file_that_is_linked_in_again(template: World, operator: Operator) -> None:
    world = template
    world.start()
    link_in(world)
    first = world.answer()
    world.wait_idle()
    world.kill()
    link_in(world)
    waiting = operator.begin("wait")
    world.start()
    code, out, _ = ended(waiting)
    assert (code, first.id in out) == (1, False)
    assert world.deployments()[-1] in out


def test_apply_joins_a_file_that_is_linked_in_again_and_does_not_lose_it(template: World, operator: Operator) -> None:
    world = template
    world.start()
    link_in(world)
    world.answer()
    world.wait_idle()
    world.kill()
    link_in(world)
    done = operator.call("apply", operator.draft("node.json", operator.node(2)))
    assert done.returncode == 0, done.stderr
    assert "together with a request that was not served yet" in done.stdout
    assert "nodes" not in operator.asked()
