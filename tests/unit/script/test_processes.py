import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from scripts import state_of, until_gone

from pinakad.script.processes import NODES_VARIABLE, end_all, is_alive, of_run, processes
from pinakad.script.running_scripts import start_ticks

NODES_DIR = f"/nowhere/{secrets.randbelow(10**12):012}/nodes"
Child = asyncio.subprocess.Process


@pytest.fixture
async def child() -> AsyncIterator[Child]:
    """Give a process in a session of its own that does not carry the mark."""
    made = await asyncio.create_subprocess_exec("sleep", "1000", start_new_session=True)
    yield made
    if made.returncode is None:
        made.kill()
    await made.wait()


async def test_living_processes_are_listed_and_a_zombie_is_none(child: Child) -> None:
    assert {item.pid: item.session for item in processes()}[child.pid] == child.pid
    dead = subprocess.Popen(["true"])  # noqa: ASYNC220 - nobody but us reaps it
    await until_gone(dead.pid)
    assert state_of(dead.pid) == "Z"
    assert dead.pid not in {item.pid for item in processes()}
    dead.poll()


async def test_a_run_has_its_session_and_what_carries_its_mark(child: Child) -> None:
    carrier = await asyncio.create_subprocess_exec(
        "sleep", "1000", env={NODES_VARIABLE: NODES_DIR}, start_new_session=True
    )
    assert of_run(NODES_DIR, child.pid, None) == sorted([child.pid, carrier.pid])
    assert of_run(NODES_DIR, None, None) == [carrier.pid]
    assert of_run(NODES_DIR, child.pid, child.pid) == [carrier.pid]
    assert of_run(NODES_DIR[:-1], None, None) == []
    assert await end_all(NODES_DIR, None, None)
    assert await carrier.wait() == -signal.SIGTERM
    assert child.returncode is None


async def test_a_run_has_what_descends_from_it_in_whatever_session() -> None:
    text = "setsid env -i sleep 60621 & echo; wait"
    parent = await asyncio.create_subprocess_exec(
        "bash", "-c", text, stdout=asyncio.subprocess.PIPE, env={NODES_VARIABLE: NODES_DIR, "PATH": os.environ["PATH"]}
    )
    assert parent.stdout is not None
    await parent.stdout.readline()
    async with asyncio.timeout(10):
        while len(members := of_run(NODES_DIR, None, None)) < 2:  # noqa: ASYNC110 - the event is another's fork
            await asyncio.sleep(0.01)
    assert parent.pid in members
    assert await end_all(NODES_DIR, None, None)
    for pid in members:
        await until_gone(pid)
    await parent.communicate()


async def test_what_descends_from_an_ancestor_of_ours_belongs_to_no_run(child: Child) -> None:
    """A supervisor that a record names is not believed to be one: it could be the parent of the whole host."""
    for ancestor in (1, os.getppid(), os.getpid(), 0, -1):
        assert of_run(NODES_DIR, None, ancestor) == []
    assert of_run(NODES_DIR, child.pid, 1) == [child.pid]


async def test_who_ends_a_family_does_not_end_himself() -> None:
    """As a script that starts the daemon anew would have it."""
    text = """
import asyncio, os, subprocess
from pinakad.script import processes
from pinakad.script.running_scripts import start_ticks
processes.TERM_S = processes._KILL_S = 0.3
child = subprocess.Popen(["sleep", "60622"])
parent = os.getppid()
print(asyncio.run(processes.end_family(parent, start_ticks(parent))), child.poll(), flush=True)
child.kill()
"""
    words = ["bash", "-c", 'trap "" TERM; "$@" & sleep 60623 & wait -n; wait', "bash", sys.executable, "-c", text]
    ends = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert ends.stdout is not None
    assert await ends.stdout.read() == b"True None\n"
    await ends.wait()


async def test_where_there_is_nothing_to_end_it_is_done_at_once() -> None:
    assert await end_all(NODES_DIR, None, None)


async def test_a_pid_alone_does_not_make_it_the_same_process(child: Child) -> None:
    ticks = start_ticks(child.pid)
    assert is_alive(child.pid, ticks)
    assert not is_alive(child.pid, (ticks or 0) + 1)
    assert not is_alive(child.pid, None)
    child.kill()
    await child.wait()
    assert not is_alive(child.pid, ticks)
