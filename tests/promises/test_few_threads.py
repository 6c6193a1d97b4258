"""What if the system has hardly any thread left? Everything is slower, and nothing is lost or called a bug."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import Zoo
from machines import free_port
from world import World

NODES = 12
_LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NPROC, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def theirs() -> Iterator[World]:
    """Give the world of a user of its own: root may have any number of threads."""
    if os.geteuid() != 0:
        pytest.skip("another user is needed, whose threads are counted alone")
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name))
        yield world
        world.close()


def limit(world: World, threads: int) -> None:
    """Let the daemon of the world have so many threads, with all that its user runs."""
    uid = 50_000 + os.getpid() % 10_000
    program = world.root / "limited.py"
    program.write_text(_LIMITED, encoding="utf-8")
    for place in (world.root, *world.root.rglob("*")):
        os.chown(place, uid, uid)
    who = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    rights = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]  # the checkout may be root's alone
    world.as_who = ["setpriv", *who, *rights, sys.executable, str(program), str(threads)]


ENOUGH = 8  # what watches folders takes up to five, a login two, and the script is a process of the same user


@pytest.mark.parametrize("launch", [True, False])
@pytest.mark.parametrize("threads", [3, 4, 6, 8, 40])
def test_a_deployment_with_few_threads_is_slower_and_completes(theirs: World, threads: int, launch: bool) -> None:
    world = theirs
    port = free_port()
    zoo = Zoo({f"{world.address(number)}:{port}": "healthy" for number in range(1, NODES + 1)})
    try:
        for number in range(1, NODES + 1):
            world.add_node(number)
        poll = {
            "reboot": "ignore",
            "identity": "ignore",
            "attempts": 20 if threads < ENOUGH else 100,
            "interval_s": 0.5,
        }
        world.configure(ssh={"port": port}, poll=poll, script={"launch": launch})
        limit(world, threads)
        world.start()
        report = world.serve(60)
    finally:
        zoo.close()
    print(threads, report.outcome, report.reason, report.message, [node.attempts for node in report.nodes])
    assert report.reason != "internal_error", world.log_text()
    assert "ExceptionGroup" not in world.log_text()
    if threads >= ENOUGH:
        assert report.outcome == "completed", report.message
        assert {node.attempts for node in report.nodes} <= {1, 2}
    else:
        assert report.reason == ("launch_failed" if launch else "nodes_unreachable")
    assert world.stop() < 2.0
