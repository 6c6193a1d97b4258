"""Which processes belong to a run, and how are they ended?"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pinakad.files import read_up_to
from pinakad.supervisor import start_ticks

ID_VARIABLE = "PINAKAD_DEPLOYMENT_ID"
NODES_VARIABLE = "PINAKAD_NODES_DIR"
"""By its value a process is known to belong to a run: two state folders may have deployments of one id."""
TERM_S = 10.0
_KILL_S = 5.0
_LOOK_S = 0.05
_MAX_WORDS = 1 << 21  # ARG_MAX, the most that execve(2) takes
_SHELLS = {"sh", "bash", "dash", "ksh", "zsh", "ash", "busybox"}


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


def of_run(nodes_dir: str, session: int | None, spare: int | None) -> list[int]:
    """Return the pids of all that a run started: its session, what carries its mark, and what descends from these.

    `spare` is the supervisor: it is to tell how the script ended.
    """
    table = list(processes())
    members = {item.pid for item in table if item.session == session or _carries(item.pid, nodes_dir)}
    grown = True
    while grown:
        below = {item.pid for item in table if item.parent in members} - members
        members |= below
        grown = bool(below)
    return sorted(members - {os.getpid(), spare or 0})


async def end_all(nodes_dir: str, session: int | None, spare: int | None) -> bool:
    """End a run's processes: TERM, after TERM_S seconds KILL. Return whether all are gone."""
    for number, patience_s in ((signal.SIGTERM, TERM_S), (signal.SIGKILL, _KILL_S)):
        told: set[int] = set()
        deadline_s = asyncio.get_running_loop().time() + patience_s
        while members := of_run(nodes_dir, session, spare):
            for pid in members:
                if pid not in told or number == signal.SIGKILL:
                    _send(pid, number)
                    told.add(pid)
            if asyncio.get_running_loop().time() >= deadline_s:
                break
            await asyncio.sleep(_LOOK_S)
        else:
            return True
    return False


def running_script(script: Path, own_nodes_dir: str) -> int | None:
    """Return the pid of a process that runs this script, None where there is none; one of our own run is none."""
    wanted = os.fsencode(script.name)
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are all we need
        with suppress(OSError):
            if not name.isdigit() or wanted not in (line := _command_line(name)):
                continue
            if _runs(int(name), line.split(b"\0")[:-1], script) and not _carries(int(name), own_nodes_dir):
                return int(name)
    return None


def _command_line(pid: str) -> bytes:
    """Return a process's words (proc(5)), each ended by a zero byte; empty for a kernel thread or a zombie."""
    descriptor = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_up_to(descriptor, _MAX_WORDS)
    finally:
        os.close(descriptor)


def _runs(pid: int, words: list[bytes], script: Path) -> bool:
    """`bash [options] SCRIPT`, or the script itself; an editor or a pager that has it open does not run it."""
    if not words:
        return False
    shell = Path(os.fsdecode(words[0])).name.lstrip("-")
    candidate = _first_argument(words) if shell in _SHELLS else words[0]
    path = Path(os.fsdecode(candidate))
    with suppress(OSError):  # another user's process: only a full path can be told
        path = Path(f"/proc/{pid}/cwd").readlink() / path
    with suppress(OSError):
        return path.samefile(script)
    return False


def _first_argument(words: list[bytes]) -> bytes:
    """Return what a shell runs: the first word that is neither an option nor belongs to one (`-o`, `-O`; bash(1))."""
    rest = iter(words[1:])
    for word in rest:
        if not word.startswith((b"-", b"+")):
            return word
        if not word.startswith(b"--") and word.endswith((b"o", b"O")):
            next(rest, None)
    return b""


def _carries(pid: int, nodes_dir: str) -> bool:
    wanted = f"{NODES_VARIABLE}={nodes_dir}".encode()
    with suppress(OSError):
        return wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def is_alive(pid: int, ticks: int | None) -> bool:
    """Tell whether the process that began at `ticks` still has this pid."""
    return ticks is not None and start_ticks(pid) == ticks


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
