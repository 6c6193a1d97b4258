"""The real daemon, stopped by SIGSTOP past an end, a limit, an attempt: is anybody blamed for what it did not see?"""

import json
import signal
import time

import pytest
from forms import default
from machines import Machines
from world import World

from pinakad.polling.node_poll import AWAY_S
from pinakad.report.document import Report
from pinakad.times import wall_s

LONG_S = AWAY_S + 1.5


@pytest.fixture(autouse=True)
def _few_seconds(world: World) -> None:
    """Let polling be spent 3 s after the launch."""
    world.configure(poll={"delay_s": 0, "interval_s": 0.5, "attempts": 6})


def pause(world: World, seconds: float = LONG_S) -> None:
    """Stop the daemon for so long."""
    assert world.daemon is not None
    world.daemon.send_signal(signal.SIGSTOP)
    stopped_s = time.monotonic()
    world.wait(lambda: time.monotonic() - stopped_s >= seconds, "the pause to pass")


def go_on(world: World) -> None:
    """Let it go on."""
    assert world.daemon is not None
    world.daemon.send_signal(signal.SIGCONT)


def verdict(report: Report) -> tuple[str | None, str | None]:
    return report.outcome, report.reason


def test_nodes_that_came_up_while_the_daemon_was_stopped_past_the_end_are_up(world: World, machines: Machines) -> None:
    nodes = [machines.add(number, up=False) for number in (1, 2)]
    for number in (1, 2):
        world.add_node(number)
    world.start()
    world.touch()
    world.wait_for_node(2, lambda node: node.attempts >= 1)
    pause(world, 4.0)  # polling is spent 3 s after the launch
    for node in nodes:
        node.start()
    go_on(world)
    report = world.answer()
    assert verdict(report) == ("completed", None), report.message
    assert "was paused for" in world.log_text()


def test_a_dead_node_is_given_up_soon_after_a_stop_past_the_end(world: World, machines: Machines) -> None:
    machines.add(1)
    world.add_node(1)
    world.add_node(2)
    world.start()
    world.touch()
    world.wait_for_node(2, lambda node: node.attempts >= 1)
    pause(world, 4.0)
    go_on(world)
    gone_on_s = time.time()
    report = world.answer()
    assert verdict(report) == ("failed", "nodes_unreachable")
    assert [node.state for node in report.nodes] == ["up", "failed"]
    assert (wall_s(report.nodes[1].last_attempt_at) or 0.0) > gone_on_s - 0.01, "it was asked after the pause"
    assert (wall_s(report.finished_at) or 0.0) - gone_on_s < 0.5 + 1.5


def test_a_script_that_ended_in_time_while_the_daemon_was_stopped_did_not_time_out(
    world: World, machines: Machines
) -> None:
    machines.add(1)
    world.add_node(1)
    wait, let_go = world.gate()
    world.write_script(wait)
    world.configure(script={"timeout_s": 3})
    world.start()
    world.touch()
    world.wait(lambda: world.runs() and world.report().phase == "polling", "polling")
    assert world.daemon is not None
    world.daemon.send_signal(signal.SIGSTOP)
    let_go()
    world.wait((world.folder() / "exit").exists, "the script's exit")
    launched_s = wall_s(world.report().clock.launched_at) or 0.0
    world.wait(lambda: time.time() > launched_s + 4, "the limit to pass")
    go_on(world)
    report = world.answer()
    assert verdict(report) == ("completed", None), report.message


def test_a_script_that_outlived_its_limit_while_the_daemon_was_stopped_has_timed_out(
    world: World, machines: Machines
) -> None:
    machines.add(1)
    world.add_node(1)
    wait, let_go = world.gate()
    world.write_script(wait)
    world.configure(script={"timeout_s": 2})
    world.start()
    world.touch()
    world.wait(lambda: world.runs() and world.report().phase == "polling", "polling")
    pause(world, 3.0)
    let_go()
    world.wait((world.folder() / "exit").exists, "the script's exit")
    go_on(world)
    report = world.answer()
    assert verdict(report) == ("failed", "script_timeout"), report.message


def test_a_node_that_dies_after_it_was_confirmed_does_not_complete(world: World, machines: Machines) -> None:
    first, second = machines.add(1), machines.add(2, up=False)
    for number in (1, 2):
        world.add_node(number)
    world.configure(poll={"attempts": 20})
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: node.state == "up")
    first.stop()
    world.wait_for_node(2, lambda node: node.attempts >= 4)
    second.start()
    world.wait_for_node(1, lambda node: node.state == "waiting" and node.reason == "refused")
    first.start()
    report = world.answer()
    assert verdict(report) == ("completed", None), report.message
    assert report.nodes[0].reasons, "it was seen to be down"


def test_the_only_slot_of_the_last_node_leaves_time_to_log_in(world: World, machines: Machines) -> None:
    for number in range(1, 9):
        machines.add(number)
        world.add_node(number)
    world.configure(poll={"delay_s": 0.5, "interval_s": 0.05, "attempts": 1})
    world.start()
    report = world.serve()
    assert verdict(report) == ("completed", None), report.message


def test_two_thousand_dead_nodes_have_all_their_attempts(world: World) -> None:
    count, attempts = 2000, 3
    poll = {"delay_s": 1, "interval_s": 2, "attempts": attempts, "reboot": "ignore"}
    world.configure(poll=poll, ssh={"port": 9}, log={"level": "warning"})
    network = world.address(0).rsplit(".", 2)[0]
    for number in range(1, count + 1):
        document = default(f"n{number}", f"{network}.{number // 250 + 1}.{number % 250 + 1}")
        (world.nodes / f"node_{number:02d}.json").write_text(json.dumps(document), encoding="utf-8")
    world.start()
    world.touch()
    report = world.answer(60)
    assert verdict(report) == ("failed", "nodes_unreachable")
    assert {node.attempts for node in report.nodes} == {attempts}
    launched_s = wall_s(report.clock.launched_at) or 0.0
    first_s = min(wall_s(node.first_attempt_at) or 0.0 for node in report.nodes)
    assert first_s - launched_s == pytest.approx(1, abs=0.3)
