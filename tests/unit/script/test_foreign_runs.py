"""Who else runs the script: found once each, warned of, outlasted, ended."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts import until

from pinakad.linux.clock import boot_id
from pinakad.problems import Code
from pinakad.report.vocabulary import ScriptState
from pinakad.script.foreign_runs import ForeignRuns
from pinakad.script.outcome import Ended

NOBODY = 0


class Site:
    """A script, and those who run it by hand."""

    def __init__(self, root: Path) -> None:
        self.script, self.deployments = root / "x.sh", root / "deployments"
        self.script.write_text("read -r _; exit 0\n")
        self.runs = ForeignRuns(self.script, self.deployments)
        self._started: list[subprocess.Popen[bytes]] = []

    async def start(self, **environment: str) -> "subprocess.Popen[bytes]":
        process = self._run_by_hand(environment)
        await until(lambda: process.pid in self.pids() or bool(environment))
        return process

    def _run_by_hand(self, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(["/bin/bash", str(self.script)], stdin=subprocess.PIPE, env=environment)
        self._started.append(process)
        return process

    def pids(self) -> list[int]:
        return [pid for pid, _ in self.runs.foreign()]

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


async def test_each_is_warned_of_once_and_not_the_run_that_is_followed(site: Site) -> None:
    followed, other = await site.start(), await site.start()
    for _ in range(3):
        site.runs.check(followed.pid, now=True)
    [warning] = site.runs.warnings
    assert (warning.code, f"process {other.pid}," in warning.message) == (Code.SCRIPT_DOUBLED, True)


async def test_they_are_checked_for_now_and_then_only(site: Site) -> None:
    site.runs.check(NOBODY)
    await site.start()
    site.runs.check(NOBODY)
    assert site.runs.warnings == []
    site.runs.check(NOBODY, now=True)
    assert len(site.runs.warnings) == 1


async def test_one_that_an_earlier_deployment_has_left_is_a_leftover_and_no_foreign_run(site: Site) -> None:
    left = await site.start(PINAKAD_NODES_DIR=f"{site.deployments}/20261123T212455Z.0001/nodes")
    await until(lambda: bool(site.runs.leftovers()))
    [warning] = site.runs.leftovers()
    assert (warning.code, f"process {left.pid}," in warning.message) == (Code.SCRIPT_LEFT_RUNNING, True)
    site.runs.check(NOBODY, now=True)
    assert (site.runs.foreign(), site.runs.warnings) == ([], [])


async def test_where_nobody_else_runs_it_the_end_is_the_one_that_was_given(site: Site) -> None:
    ended = Ended(ScriptState.EXITED, code=0)
    assert await site.runs.outlast(ended) is ended


async def test_the_end_of_the_last_one_counts_also_of_one_that_begins_meanwhile(site: Site) -> None:
    first = await site.start()
    ended = Ended(ScriptState.EXITED, code=0)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(site.runs.outlast(ended), name="waits")
        await until(lambda: len(site.runs.warnings) == 1)
        second = await site.start()
        first.communicate(b"\n")
        await until(lambda: len(site.runs.warnings) == 2)
        assert not waiting.done()
        second.communicate(b"\n")
    found = waiting.result()
    assert found.at is not None
    assert (found.at.boot_id, found.code) == (boot_id(), 0)


async def test_all_but_the_run_that_is_followed_are_ended(site: Site) -> None:
    followed, *others = [await site.start() for _ in range(3)]
    assert await site.runs.end(followed.pid)
    assert [await asyncio.to_thread(other.wait, 10) for other in others] == [-15, -15]
    assert followed.poll() is None


async def test_of_very_many_only_some_are_warned_of(site: Site) -> None:
    for _ in range(22):
        await site.start()
    site.runs.check(NOBODY, now=True)
    assert len(site.runs.warnings) == 20
