"""Which processes belong to a run, and how are they ended?"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from scripts import state_of, until_gone

from pinakad.script.processes import (
    NODES_VARIABLE,
    end_all,
    end_family,
    is_alive,
    is_ours,
    of_run,
    process_ends,
    processes,
    wake,
)
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


async def test_a_family_is_ended_with_what_has_left_its_session_and_with_what_is_stopped(child: Child) -> None:
    text = "setsid sleep 60624 & setsid sleep 60625 & echo $! & wait"
    words = ["bash", "-c", text]
    parent = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    await parent.stdout.readline()
    async with asyncio.timeout(10):
        while len(below := [item.pid for item in processes() if item.parent == parent.pid]) < 2:  # noqa: ASYNC110 - forks
            await asyncio.sleep(0.01)
    os.kill(below[0], signal.SIGSTOP)
    assert await end_family(parent.pid, start_ticks(parent.pid))
    await parent.wait()
    for pid in below:
        await until_gone(pid)
    assert child.returncode is None


async def test_a_family_whose_pid_is_somebody_elses_by_now_is_left_alone(child: Child) -> None:
    assert await end_family(child.pid, (start_ticks(child.pid) or 0) + 1)
    assert child.returncode is None
    assert is_alive(child.pid, start_ticks(child.pid))


async def test_only_a_stopped_process_is_woken(child: Child) -> None:
    assert not wake(child.pid)
    os.kill(child.pid, signal.SIGSTOP)
    async with asyncio.timeout(10):
        while state_of(child.pid) != "T":  # noqa: ASYNC110 - the event is the kernel's
            await asyncio.sleep(0.01)
    assert wake(child.pid)
    assert not wake(child.pid)
    assert not wake(1 << 30)


async def test_the_end_of_a_process_is_waited_for_and_not_for_ever(child: Child) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await process_ends(child.pid, start_ticks(child.pid))
    assert loop.time() - began_s >= 1
    began_s = loop.time()
    async with asyncio.TaskGroup() as group:
        group.create_task(process_ends(child.pid, start_ticks(child.pid)), name="waits")
        await asyncio.sleep(0)
        child.kill()
    assert loop.time() - began_s < 0.9


@pytest.mark.parametrize("pid", [1 << 30, -1, 0, 1 << 70])
async def test_the_end_of_no_process_is_not_waited_for(pid: int) -> None:
    async with asyncio.timeout(0.9):
        await process_ends(pid, 7)


def test_a_process_is_ours_by_all_of_its_users() -> None:
    assert is_ours(os.getpid()) is (len(set(os.getresuid())) == 1)
    assert not is_ours(1 << 30)
