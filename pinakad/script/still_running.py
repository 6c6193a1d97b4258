"""Which deployments of a state folder have processes that live, although their records may be gone?"""

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from pinakad.script.launch_service import DEPLOYMENT_ID
from pinakad.script.processes import NODES_VARIABLE, is_ours
from pinakad.script.running_scripts import start_ticks

_UNIT = re.compile(rb":/(?!user\.slice)[^\n]*/pinakad-script@(%b)\.service" % DEPLOYMENT_ID.pattern.encode())
"""A unit of the system's, in cgroups(7) as /proc shows it; below user.slice, users name groups as they like."""
_TICKS_A_S = os.sysconf("SC_CLK_TCK")


def still_running(deployments: Path, *, in_units: bool = False) -> dict[str, float]:
    """Return the ids, and when the first process of each began (wall clock), in the order of these.

    A process carries the folder of its snapshot in its environment. Those of other users count for nothing, even where
    we may see them: what they carry, anybody can say. `in_units`: we are the host's service, and who is in the unit of
    a deployment's script belongs to one of ours.
    """
    mark = os.fsencode(f"{NODES_VARIABLE}={deployments}/")
    found: dict[str, float] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are all we need
        if not name.isdigit():
            continue
        identifier = _by_environment(name, mark) or (_by_unit(name) if in_units else "")
        began_wall_s = _began_wall_s(int(name)) if identifier else None
        if began_wall_s is not None:
            found[identifier] = min(began_wall_s, found.get(identifier, began_wall_s))
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _by_environment(pid: str, mark: bytes) -> str:
    with suppress(OSError):
        for item in Path("/proc", pid, "environ").read_bytes().split(b"\0"):
            if item.startswith(mark) and is_ours(int(pid)):
                return os.fsdecode(item[len(mark) :]).partition("/")[0]
    return ""


def _by_unit(pid: str) -> str:
    with suppress(OSError):
        found = _UNIT.search(Path("/proc", pid, "cgroup").read_bytes())
        return found[1].decode() if found else ""
    return ""


def _began_wall_s(pid: int) -> float | None:
    ticks = start_ticks(pid)
    if ticks is None:
        return None
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / _TICKS_A_S
