"""Does the daemon use the open files that it may have, and the script only those that it always had?"""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import World

SOFT = 512


@pytest.fixture
def few_files() -> Iterator[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_daemon_raises_its_limit_and_the_script_does_not_see_that(few_files: int, world: World) -> None:
    world.write_script(f'ulimit -Sn > "{world.root}/limit"')
    world.add_node(1)
    world.configure(poll={"attempts": 1})
    world.start()
    assert world.daemon is not None
    assert _soft_limit(world.daemon.pid) == min(few_files, 1 << 19)
    world.serve()
    assert (world.root / "limit").read_text(encoding="utf-8").strip() == str(SOFT)
    world.stop()


def _soft_limit(pid: int) -> int:
    lines = Path(f"/proc/{pid}/limits").read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith("Max open files"))
    return int(line.split()[3])


def test_this_test_knows_its_own_limit() -> None:
    assert _soft_limit(os.getpid()) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
