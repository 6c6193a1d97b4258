"""Which processes belong to a run, and how are they ended?"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pinakad.linux.waiting import wait_until_set
from pinakad.script.running_scripts import start_ticks, user_ids

ID_VARIABLE = "PINAKAD_DEPLOYMENT_ID"
NODES_VARIABLE = "PINAKAD_NODES_DIR"
"""By its value a process is known to belong to a run: two state folders may have deployments of one id."""
TERM_S = 10.0
_KILL_S = 5.0
_CHECK_EVERY_S = 0.05
_RECHECK_S = 1.0
_AFTER_S = 0.02


class Process(NamedTuple):
    """A process as proc(5) shows it."""

    pid: int
    parent: int
    session: int


def processes() -> Iterator[Process]:
    """List the processes that have not ended; a zombie has."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are all we need
        if not name.isdigit():
            continue
        with suppress(OSError, ValueError, IndexError):
            text = Path("/proc", name, "stat").read_text(encoding="utf-8", errors="replace")
            state, parent, _, session = text.rpartition(")")[2].split()[:4]
            if state not in "ZX":
                yield Process(int(name), int(parent), int(session))


def of_run(nodes_dir: str, session: int | None, supervisor: int | None) -> list[int]:
    """Return the pids of all that a run started: its session, what carries its mark, and what descends from these.

    `supervisor`, where it lives, is the parent of what has lost its own; it is not listed: it has yet to leave how the
    script ended. The first process of the host, and what is above us, is none, whatever a record says: half the host
    would be its run.
    """
    table = list(processes())
    members = {item.pid for item in table if item.session == session or _carries(item.pid, nodes_dir)}
    if supervisor and supervisor > 1 and supervisor not in _above_us(table):
        members.add(supervisor)
    return sorted(_family(table, members) - {supervisor})


def _above_us(table: list[Process]) -> set[int]:
    """Return ourselves, and all from whom we descend."""
    parents = {item.pid: item.parent for item in table}
    found, pid = set[int](), os.getpid()
    while pid and pid not in found:
        found.add(pid)
        pid = parents.get(pid, 0)
    return found


def _family(table: list[Process], members: set[int]) -> set[int]:
    """Return processes with all that descend from them, but for us and what we have started."""
    members = members - {os.getpid()}
    table = [item for item in table if item.pid != os.getpid()]
    grown = True
    while grown:
        below = {item.pid for item in table if item.parent in members} - members
        members = members | below
        grown = bool(below)
    return members


async def end_all(nodes_dir: str, session: int | None, supervisor: int | None) -> bool:
    """End a run's processes: TERM, after TERM_S seconds KILL. Return whether all are gone."""
    return await _end(lambda: of_run(nodes_dir, session, supervisor))


async def end_family(pid: int, ticks: int | None) -> bool:
    """End a process, the one that began at `ticks`, and all that descends from it. Return whether all are gone."""
    known = {pid: ticks}

    if not _may_signal(pid):
        return not is_alive(pid, ticks)

    def living() -> list[int]:
        left = {pid for pid, began in known.items() if is_alive(pid, began)}
        family = _family(list(processes()), left)
        known.update({pid: start_ticks(pid) for pid in family - set(known)})
        return sorted(family)

    return await _end(living)


async def _end(list_them: Callable[[], list[int]]) -> bool:
    """TERM, after TERM_S seconds KILL, to all that is listed, until nothing is."""
    for number, patience_s in ((signal.SIGTERM, TERM_S), (signal.SIGKILL, _KILL_S)):
        signalled: set[int] = set()
        deadline_s = asyncio.get_running_loop().time() + patience_s
        while members := list_them() or list_them():  # twice: one that forks and exits meanwhile is missed
            for pid in members:
                if pid not in signalled or number == signal.SIGKILL:
                    _send(pid, number)
                    _send(pid, signal.SIGCONT)  # what is stopped would not see it
                    signalled.add(pid)
            if asyncio.get_running_loop().time() >= deadline_s:
                break
            await asyncio.sleep(_CHECK_EVERY_S)
        else:
            return True
    return False


def _carries(pid: int, nodes_dir: str) -> bool:
    wanted = f"{NODES_VARIABLE}={nodes_dir}".encode()
    with suppress(OSError):
        return wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def is_ours(pid: int) -> bool:
    """Tell whether a process is of our user, by all of its user ids: what anybody else carries, anybody can say."""
    return user_ids(pid) == {os.geteuid()}


def is_alive(pid: int, ticks: int | None) -> bool:
    """Tell whether the process that began at `ticks` still has this pid, and has not ended: a zombie has."""
    return ticks is not None and start_ticks(pid) == ticks and state_of(pid) not in "ZX"


def state_of(pid: int) -> str:
    """Return the state of a process as proc(5) has it, e.g. `S`, `T` for one that is stopped; `X` for none."""
    with suppress(OSError, IndexError):
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return text.rpartition(")")[2].split()[0]
    return "X"


def wake(pid: int) -> bool:
    """Let a stopped process go on; return whether it was stopped, and could be."""
    if state_of(pid) not in ("T", "t"):
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGCONT)
        return True
    return False


async def process_ends(pid: int, ticks: int | None) -> None:
    """Wait until a process is gone, at most a second: the caller reads the status again anyway."""
    try:
        descriptor = os.pidfd_open(pid)
    except (OSError, OverflowError):
        await asyncio.sleep(_AFTER_S)  # it has ended, and the record of that follows
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    try:
        if is_alive(pid, ticks):
            await wait_until_set(gone, _RECHECK_S)
        await asyncio.sleep(_AFTER_S)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _may_signal(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    return True


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
