"""What if this host has hardly any time for the daemon? Nodes that answer at once are up, however late we hear that."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hostile import Zoo
from machines import free_port
from world import World

NODES = 20
RUNS_S = 0.02


@contextmanager
def hardly_runs(world: World, stopped_s: float) -> Iterator[None]:
    """Let the daemon run for RUNS_S and stop for `stopped_s`, again and again: each is too short to be a pause."""
    assert world.daemon is not None
    daemon, over = world.daemon, threading.Event()

    def starve() -> None:
        while not over.is_set():
            daemon.send_signal(signal.SIGSTOP)
            over.wait(stopped_s)
            daemon.send_signal(signal.SIGCONT)
            time.sleep(RUNS_S)

    thread = threading.Thread(target=starve)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.parametrize("kind", ["healthy", "silent_in_key_exchange"])
def test_logins_of_a_daemon_that_hardly_runs_are_not_too_slow_for_their_limit(world: World, kind: str) -> None:
    port = free_port()
    zoo = Zoo({f"{world.address(number)}:{port}": kind for number in range(1, NODES + 1)})
    for number in range(1, NODES + 1):
        world.add_node(number)
    world.configure(
        ssh={"port": port, "auth_timeout_s": 1.5, "command_timeout_s": 1.5},
        poll={"reboot": "ignore", "identity": "ignore", "attempts": 4, "interval_s": 0.5},
    )
    world.start()
    try:
        with hardly_runs(world, 0.4):
            report = world.serve(60)
    finally:
        zoo.close()
    reasons = {reason for node in report.nodes for reason in node.reasons}
    if kind == "healthy":
        assert (report.outcome, reasons) == ("completed", set()), [node.message for node in report.nodes]
    else:
        assert (report.reason, reasons) == ("nodes_unreachable", {"timeout"}), report.message
