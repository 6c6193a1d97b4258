"""What if the system has hardly any thread left? Everything is slower, and nothing is lost or called a bug."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hostile import Zoo
from machines import free_port
from world import World

from pinakad.report.document import Report

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


@pytest.fixture
def zoo(theirs: World) -> Iterator[Zoo]:
    """Give the world of `theirs` some nodes that are up."""
    port = free_port()
    zoo = Zoo({f"{theirs.address(number)}:{port}": "healthy" for number in range(1, NODES + 1)})
    for number in range(1, NODES + 1):
        theirs.add_node(number)
    theirs.configure(ssh={"port": port}, poll={"reboot": "ignore", "identity": "ignore"})
    yield zoo
    zoo.close()


def took_no_harm(world: World, report: Report) -> None:
    """Check that all went well, however slowly."""
    assert (report.outcome, report.reason) == ("completed", None), f"{report.message}\n{world.log_text()[-3000:]}"
    assert "ExceptionGroup" not in world.log_text()
    assert not report.policy.script.launch or world.runs() == [report.id]


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize("launch", [True, False])
@pytest.mark.parametrize("threads", [4, 5, 6, 12, 40])
def test_a_deployment_with_few_threads_is_slower_and_completes(theirs: World, threads: int, launch: bool) -> None:
    """Four: the loop, the login worker and the two of a login; before that the script and its supervisor."""
    theirs.configure(poll={"attempts": 100, "interval_s": 0.5}, script={"launch": launch})
    limit(theirs, threads)
    theirs.start()
    took_no_harm(theirs, theirs.serve(60))
    assert theirs.stop() < 2.0


@contextmanager
def others(world: World) -> Iterator[Callable[[], None]]:
    """Let the user of the world run more than it may: nothing more begins until the block ends, or what it gives."""
    uid = world.root.stat().st_uid
    sleep = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "sleep", "600"]
    sleepers = [subprocess.Popen(sleep) for _ in range(50)]

    def end() -> None:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()

    for sleeper in sleepers:
        world.wait(lambda: Path(f"/proc/{sleeper.pid}").stat().st_uid == uid, "another process of the user")  # noqa: B023
    yield end
    end()


@pytest.mark.usefixtures("zoo")
def test_a_launch_waits_until_there_may_be_one_more_process(theirs: World) -> None:
    theirs.configure(poll={"attempts": 20, "interval_s": 0.2})
    limit(theirs, 40)
    theirs.start()
    with others(theirs) as end:
        theirs.touch()
        theirs.wait(lambda: "supervisor: resource temporarily unavailable" in theirs.log_text(), "a launch that waits")
        end()
        took_no_harm(theirs, theirs.answer())


@pytest.mark.usefixtures("zoo")
def test_nodes_that_nobody_can_log_in_to_until_long_after_the_end_are_not_called_down(theirs: World) -> None:
    line, let_go = theirs.gate()
    theirs.write_script(line)
    theirs.configure(poll={"attempts": 5, "interval_s": 0.2})
    limit(theirs, 40)
    theirs.start()
    theirs.touch()
    theirs.wait_for_node(NODES, lambda node: node.attempts >= 1)
    with others(theirs) as end:
        let_go()
        theirs.wait(lambda: "cannot be asked now: no thread is left" in theirs.log_text(), "a node that is not asked")
        asked_s = time.monotonic()
        theirs.wait(lambda: time.monotonic() - asked_s > 3, "the end, 1 s after the script's")
        end()
        took_no_harm(theirs, theirs.answer())
