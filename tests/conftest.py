"""The fixtures that tests of the running daemon share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import SSHD, Machines
from world import World

_PRIVSEP = Path("/run/sshd")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a world with nothing in it; the daemon is not started."""
    world = World(tmp_path)
    yield world
    world.close()


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
