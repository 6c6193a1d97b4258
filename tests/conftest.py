"""The fixtures that tests of the running daemon share."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import SSHD, Machines
from pinakactl import Operator
from world import World

_PRIVSEP = Path("/run/sshd")


def pytest_configure() -> None:
    """Say that there is no loop yet: asked for one too early, asyncio would make one that nobody closes."""
    asyncio.set_event_loop(None)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in a shell's background it is ignored, by children too


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Count a skip as a failure where CI is to prove something: what could not run has proved nothing."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a world with nothing in it; the daemon is not started."""
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def operator(world: World) -> Iterator[Operator]:
    """Give somebody who calls pinakactl for the world."""
    operator = Operator(world)
    yield operator
    operator.close()


@pytest.fixture
def machines(world: World) -> Iterator[Machines]:
    """Give the world real sshd nodes. Without sshd the test is skipped, but not where CI is to prove something."""
    problem = _no_sshd()
    if problem and os.environ.get("CI") == "true":
        pytest.fail(problem)
    if problem:
        pytest.skip(problem)
    machines = Machines(world)
    yield machines
    machines.close()


def _no_sshd() -> str:
    if SSHD is None:
        return "sshd is not installed"
    if os.getuid() == 0:
        _PRIVSEP.mkdir(mode=0o755, exist_ok=True)  # sshd run by root insists on it
    return ""
