"""What the daemon does to itself, so that others have room."""

import subprocess
import sys

_FREED = """
import sys
from pathlib import Path
from pinakad.limits import return_memory

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


def kept_kb(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _FREED, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_large_blocks_that_are_free_go_back_to_the_system() -> None:
    assert kept_kb("returned") < 2000
    assert kept_kb("as usual") > 10_000
