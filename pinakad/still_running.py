"""Which deployments of a state folder have processes that live, although their records may be gone?"""

import os
import time
from contextlib import suppress
from pathlib import Path

from pinakad.processes import NODES_VARIABLE, is_ours
from pinakad.supervisor import start_ticks

_TICKS_A_S = os.sysconf("SC_CLK_TCK")


def still_running(deployments: Path) -> dict[str, float]:
    """Return the ids, and when the first process of each began (wall clock), in the order of these.

    A process carries the folder of its snapshot in its environment. Those of other users count for nothing, even where
    we may see them: what they carry, anybody can say.
    """
    mark = os.fsencode(f"{NODES_VARIABLE}={deployments}/")
    found: dict[str, float] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are all we need
        with suppress(OSError):
            if not name.isdigit():
                continue
            ours = [item for item in Path("/proc", name, "environ").read_bytes().split(b"\0") if item.startswith(mark)]
            began_wall_s = _began_wall_s(int(name))
            if ours and began_wall_s is not None and is_ours(int(name)):
                identifier = os.fsdecode(ours[0][len(mark) :]).partition("/")[0]
                found[identifier] = min(began_wall_s, found.get(identifier, began_wall_s))
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _began_wall_s(pid: int) -> float | None:
    ticks = start_ticks(pid)
    if ticks is None:
        return None
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / _TICKS_A_S
