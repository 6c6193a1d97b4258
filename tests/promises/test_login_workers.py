"""The processes that log in are killed and stopped while a run polls: the verdict is what it would have been."""

import json
import os
import random
import signal
from pathlib import Path

import pytest
from forms import default
from hostile import BAD, Zoo
from machines import Machines, free_port
from processes import command, login_workers
from processes import zombies as zombies_of
from site_folders import write_key
from world import World

NODES = 6
CHECKS = 15
KILLS = [pytest.param(12), pytest.param(1000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]


def workers(world: World) -> list[int]:
    """Return the pids of the daemon's login workers."""
    assert world.daemon is not None
    return login_workers(world.daemon.pid)


def zombies(world: World) -> list[int]:
    assert world.daemon is not None
    return zombies_of(world.daemon.pid)


@pytest.fixture
def field(world: World, machines: Machines) -> World:
    """Give a world of nodes that are up, each of which must answer often in a row."""
    for number in range(1, NODES + 1):
        machines.add(number)
        world.add_node(number)
    world.configure(poll={"stable_checks": CHECKS, "interval_s": 0.5, "attempts": 10_000})
    return world


@pytest.mark.parametrize("kills", KILLS)
def test_whatever_worker_is_killed_when_no_attempt_fails_and_none_counts_twice(field: World, kills: int) -> None:
    field.configure(poll={"stable_checks": max(CHECKS, kills)})
    field.start()
    field.touch()
    chance = random.Random(str(field.root))  # noqa: S311 - other moments each time
    for _ in range(kills):
        field.wait(lambda: workers(field), "a worker")
        for pid in chance.sample(found := workers(field), min(len(found), 1)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # the run is over
                break
        field.wait(lambda found=found: workers(field) != found, "another worker")  # type: ignore[misc]
    report = field.answer(600)
    assert (report.outcome, report.reason) == ("completed", None), report.message
    for node in report.nodes:
        assert node.state == "up"
        assert set(node.reasons) == {"unstable"}, "what an attempt counts that is good, until there are enough"
        assert node.stable_count == node.attempts >= CHECKS
    field.wait_idle()
    field.wait(lambda: not workers(field) and not zombies(field), "the end of all workers")
    assert "a login process has ended: it was ended by Killed" in field.log_text()


def test_at_rest_there_is_none_before_and_after_a_run(field: World) -> None:
    field.configure(poll={"stable_checks": 1})
    field.start()
    field.wait(lambda: not workers(field), "the end of the trial of the key")
    assert field.serve().outcome == "completed"
    field.wait(lambda: not workers(field) and not zombies(field), "the end of the workers")


def test_the_daemon_never_has_the_ssh_library_nor_the_key(field: World) -> None:
    """So a mistake in the library meets neither the state nor the folders."""
    field.start()
    assert field.serve().outcome == "completed"
    assert field.daemon is not None
    maps = Path(f"/proc/{field.daemon.pid}/maps").read_text(encoding="utf-8")
    assert "pydantic_core" in maps
    assert not [line for line in maps.splitlines() if "cryptography" in line or "_bcrypt" in line]


def test_a_worker_that_is_stopped_holds_nothing_up_for_ever(field: World) -> None:
    field.configure(ssh={"auth_timeout_s": 1, "command_timeout_s": 1}, poll={"stable_checks": 5})
    field.start()
    field.touch()
    field.wait_for_node(1, lambda node: node.attempts)
    stopped = workers(field)[0]
    os.kill(stopped, signal.SIGSTOP)
    report = field.answer(120)
    assert (report.outcome, report.reason) == ("completed", None), report.message
    field.wait(lambda: stopped not in workers(field), "the end of the stopped worker")


def test_a_worker_that_is_stopped_before_it_begins_does_not_hold_up_the_launch_for_ever(world: World) -> None:
    world.add_node(1)
    world.configure(poll={"attempts": 1, "reboot": "ignore"})
    world.start()
    world.wait(lambda: not workers(world), "the end of the trial of the key")
    write_key(world.key)  # another one, which must be tried before the launch
    world.touch()
    world.wait(lambda: workers(world), "a worker")
    os.kill(workers(world)[0], signal.SIGSTOP)
    assert world.answer(60).reason == "nodes_unreachable"
    assert "no login process could begin within" in world.log_text()
    world.wait_idle()
    world.wait(lambda: not workers(world) and not zombies(world), "the end of the workers")


CROWDS = [pytest.param(66, 6), pytest.param(1000, 100, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]


@pytest.mark.parametrize(("hostile", "healthy"), CROWDS)
def test_healthy_nodes_among_hostile_ones_are_up_at_their_first_attempt(
    world: World, hostile: int, healthy: int
) -> None:
    """Every kind that the tests have, those with oversized integers too; no worker outlives the limits of a login."""
    port, every = free_port(), hostile // healthy + 1
    numbers = range(1, hostile + healthy + 1)
    kinds = {number: "healthy" if number % every == 0 else BAD[number % len(BAD)] for number in numbers}
    place = {number: f"127.{os.getpid() % 250 + 2}.{100 + number // 200}.{number % 200 + 1}" for number in numbers}
    zoo = Zoo({f"{place[number]}:{port}": kind for number, kind in kinds.items()})
    try:
        for number in numbers:
            world.put_node(f"node_{number}.json", json.dumps(default(f"sqdn-{number:04d}", place[number])))
        limits = {"banner_timeout_s": 2, "auth_timeout_s": 2, "command_timeout_s": 2}
        poll = {"delay_s": 1, "interval_s": 60, "attempts": 2, "reboot": "ignore", "identity": "ignore"}
        world.configure(ssh={"port": port, **limits}, poll=poll)
        world.start()
        world.touch()
        world.wait(lambda: _up(world) >= healthy, f"{healthy} nodes that are up", 120)
        deployment = world.status().deployment
    finally:
        zoo.close()
    assert deployment is not None
    states = [(node.state, node.attempts) for node in deployment.nodes if kinds[node.number] == "healthy"]
    assert states == [("up", 1)] * healthy
    assert "took longer than its limits" not in world.log_text()


def _up(world: World) -> int:
    deployment = world.status().deployment
    return deployment.counts.up if deployment else 0


def test_a_daemon_that_is_killed_takes_its_workers_along(field: World) -> None:
    field.start()
    field.touch()
    field.wait(lambda: workers(field), "a worker")
    left = workers(field)
    field.kill()
    field.wait(lambda: not [pid for pid in left if b"login" in command(pid)], "the end of the workers")
    field.start()
    assert field.answer().outcome == "completed"
