"""What the daemon does to itself: are its limits raised for itself alone, and does memory go back to others?"""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import World

SOFT = 512
_FREED = """
import sys
from pathlib import Path
from pinakad.linux.limits import return_memory

def resident_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])

if sys.argv[1] == "returned":
    return_memory()
bytes(b"x" * (30 << 20))  # from here on the C library would keep blocks of up to this size
before = resident_kb()
large, small = [], []
for _ in range(20):
    large.append(b"x" * (1 << 20))
    small.append(b"x" * 1000)  # it lies behind the large one, and stays
large.clear()
print(resident_kb() - before)
"""


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


def kept_kb(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _FREED, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_large_blocks_that_are_free_go_back_to_the_system() -> None:
    assert kept_kb("returned") < 2000
    assert kept_kb("as usual") > 10_000
