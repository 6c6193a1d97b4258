"""What has a process used: CPU, memory, wake-ups, as proc(5) tells?"""

import os
import resource
from pathlib import Path


def cpu_s(process: Path) -> float:
    """Return the seconds of CPU of a process, all its threads included."""
    fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(process: Path) -> float:
    """Return the most memory it had; not ru_maxrss, which remembers its parent's from before the exec."""
    return _kb(process, "VmHWM") / 1024


def resident_mb(process: Path) -> float:
    """Return the memory that it has."""
    return _kb(process, "VmRSS") / 1024


def switches(process: Path) -> int:
    """Return how often its threads have gone to sleep, which is how often they were woken."""
    return sum(int(_field(task, "voluntary_ctxt_switches")) for task in (process / "task").iterdir())


def _kb(process: Path, name: str) -> int:
    return int(_field(process, name).split()[0])


def _field(process: Path, name: str) -> str:
    lines = (process / "status").read_text(encoding="utf-8").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(name + ":"))


def children() -> list[int]:
    """Return the pids of the children of this process."""
    tasks = Path("/proc/self/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text(encoding="ascii").split()]


def cpu_of_children_s() -> float:
    """Return what the children that have ended have computed, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
