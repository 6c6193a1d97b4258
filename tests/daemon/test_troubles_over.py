"""A trouble that is over is not shown: STATUS is about now."""

from collections.abc import Callable

import pytest
from disks import read_only, require_root
from site_folders import REQUEST
from world import World

READ_ONLY = "read-only file system"


def wait_until_shown(world: World, text: str) -> None:
    world.wait(lambda: text in world.notify.statuses[-1], f"'{text}' in STATUS")


def wait_until_over(world: World, text: str) -> None:
    """Wait until STATUS does not have the text; no request is made meanwhile, nor anything else."""
    world.wait(lambda: text not in world.notify.statuses[-1], f"STATUS without '{text}'")


@pytest.fixture
def gate(world: World) -> Callable[[], None]:
    """Start a daemon whose script waits until this is called."""
    require_root()
    line, go = world.gate()
    world.write_script(line)
    world.configure(poll={"attempts": 1})
    world.add_node(1)
    world.start()
    return go


def test_the_marker_folder_while_the_run_goes_on(world: World, gate: Callable[[], None]) -> None:
    with (world.markers / REQUEST).open("w") as request:  # while it is open and empty, it is waited for
        with read_only(world.markers):
            request.write('{"request_id": "r"}')
            request.flush()
            wait_until_shown(world, f"cannot write the request down: {READ_ONLY}")
        world.wait(world.runs, "the script")
        wait_until_over(world, READ_ONLY)
    world.wait_for_log("recovered: cannot write the request down")
    assert world.requested()
    gate()
    world.wait_idle()


def test_a_request_that_could_not_be_written_down_and_was_removed(world: World, gate: Callable[[], None]) -> None:
    with read_only(world.state):
        world.touch()
        wait_until_shown(world, f"cannot write the request down: {READ_ONLY}")
        (world.markers / REQUEST).unlink()
        wait_until_over(world, "the request down")
    wait_until_over(world, READ_ONLY)
    assert world.deployments() == []
    gate()


def test_the_answer_that_had_to_wait(world: World, gate: Callable[[], None]) -> None:
    world.touch()
    world.wait(world.runs, "the script")
    with read_only(world.markers):
        gate()
        wait_until_shown(world, f"cannot write the answer: {READ_ONLY}")
    world.wait_idle()
    wait_until_over(world, READ_ONLY)


def test_the_status_file_of_a_daemon_that_has_nothing_to_do(world: World, gate: Callable[[], None]) -> None:
    with read_only(world.runtime):
        world.touch()
        wait_until_shown(world, f"status.json': {READ_ONLY}")
        gate()
        world.wait_idle()
    wait_until_over(world, READ_ONLY)
    assert world.status().deployment == world.report()
