"""What do a wall clock that jumps and a process that was stopped change? Nothing: durations are on the boot clock."""

import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from hostile import Zoo
from paths import PROGRAMS
from world import World

from pinakad.report.document import Report
from pinakad.times import wall_s

PORT = 2022
HOUR = 3600.0
INTERVAL_S = 0.5
ATTEMPTS = 12


@pytest.fixture
def zoo(world: World) -> Iterator[Zoo]:
    """A node that is well at address 1, one that hangs up at once at address 2."""
    zoo = Zoo({f"{world.address(1)}:{PORT}": "healthy", f"{world.address(2)}:{PORT}": "closes"})
    for number in (1, 2):
        world.add_node(number)
    world.configure(ssh={"port": PORT}, poll={"delay_s": 1, "interval_s": INTERVAL_S, "attempts": ATTEMPTS})
    yield zoo
    zoo.close()


def set_clock(world: World, seconds: float) -> None:
    """Set the daemon's wall clock wrong by so much, in one step."""
    draft = world.root / "clock.new"
    draft.write_text(str(seconds), encoding="ascii")
    draft.rename(world.root / "clock")


@pytest.mark.parametrize("jump_s", [HOUR, -HOUR])
def test_a_wall_clock_that_jumps_and_comes_back_changes_no_duration(world: World, zoo: Zoo, jump_s: float) -> None:
    set_clock(world, 0)
    world.program = [str(PROGRAMS / "odd_pinakad.py")]
    world.start(WALL_CLOCK=str(world.root / "clock"))
    began_s = time.monotonic()
    world.touch()
    world.wait_for_log("polling")
    set_clock(world, jump_s)
    world.wait_for_node(2, lambda node: node.attempts >= 4)
    alive = world.notify.count("WATCHDOG=1")
    world.wait_for_node(2, lambda node: node.attempts >= 8)
    set_clock(world, 0)
    report = world.answer()
    assert 1 + INTERVAL_S * ATTEMPTS <= time.monotonic() - began_s < 1 + INTERVAL_S * ATTEMPTS + 2
    assert world.notify.count("WATCHDOG=1") > alive
    assert_on_the_grid(report)
    # the jump was seen, as times for people
    assert max(abs((wall_s(text) or 0) - time.time()) for text in times(report)) > HOUR - 60
    assert world.status().daemon.watch == "events"
    assert max(abs(minutes) for minutes in minutes_left(world)) <= 1, "STATUS counts on the boot clock too"


def test_a_process_that_was_stopped_goes_on_without_a_burst(world: World, zoo: Zoo) -> None:
    world.start()
    began_s = time.monotonic()
    world.touch()
    world.wait_for_node(2, lambda node: node.attempts >= 3)
    assert world.daemon is not None
    world.daemon.send_signal(signal.SIGSTOP)
    stopped_s = time.monotonic()
    alive = world.notify.count("WATCHDOG=1")
    world.wait(lambda: time.monotonic() - stopped_s > 4 * INTERVAL_S, "four slots to pass")  # below WatchdogSec, 3 s
    world.daemon.send_signal(signal.SIGCONT)
    world.wait(lambda: world.notify.count("WATCHDOG=1") > alive, "WATCHDOG=1 afterwards", 2)
    report = world.answer()
    assert 1 + INTERVAL_S * ATTEMPTS <= time.monotonic() - began_s < 1 + INTERVAL_S * ATTEMPTS + 2
    assert report.nodes[1].attempts <= ATTEMPTS - 3, "the slots that passed are not made up for"
    assert_on_the_grid(report)


def assert_on_the_grid(report: Report) -> None:
    up, down = report.nodes
    assert (up.state, down.state, down.reason) == ("up", "failed", "not_ssh")
    assert up.attempts == 1
    assert ATTEMPTS // 2 - 1 <= down.attempts <= ATTEMPTS
    assert Counter(down.reasons) == {"not_ssh": down.attempts}


def times(report: Report) -> list[str]:
    """Return all times that a run tells about its nodes."""
    found = [report.polling_at, report.finished_at]
    for node in report.nodes:
        found += [node.first_attempt_at, node.last_attempt_at, node.up_at]
    return [text for text in found if text]


def minutes_left(world: World) -> list[float]:
    """Return what STATUS said of the time left, in minutes."""
    words = [text.split(" left")[0].rpartition(", ")[2].split() for text in world.notify.statuses if " left" in text]
    return [float(count) / (60 if unit == "s" else 1) for count, unit in words]
