"""Which processes did a test leave behind?"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_DEADLINE_S = 10.0


def end_all_that_mention(text: str) -> None:
    """Kill every process with the text in its command line or environment, and wait until none is left.

    A test's own folder is such a text: supervisors, scripts, what these started, and sshds all have it.
    """
    ends_s = time.monotonic() + _DEADLINE_S
    while found := mentioning(text):
        assert time.monotonic() < ends_s, f"cannot end the processes {found}"
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def mentioning(text: str) -> list[int]:
    """Return the pids of the living processes, but for this one, that have the text."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - names are all we need
    return [pid for pid in pids if pid != os.getpid() and text.encode() in _words(pid)]


def login_workers(pid: int) -> list[int]:
    """Return the login workers that a process has started and that live."""
    return [child for child in descendants(pid) if b"pinakad.login.worker" in command(child)]


def zombies(pid: int) -> list[int]:
    """Return what a process has started, has ended, and is not reaped."""
    return [child for child in descendants(pid) if command(child) == b""]


def command(pid: int) -> bytes:
    """Return the command line of a process; nothing for a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b"gone"


def descendants(pid: int) -> list[int]:
    """Return a process and all that it started, while their parents live."""
    parents = {int(path.parent.name): parent for path in Path("/proc").glob("[0-9]*/stat") if (parent := _parent(path))}
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _parent(stat: Path) -> int:
    with suppress(OSError):
        return int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    return 0


def _words(pid: int) -> bytes:
    words = b""
    for name in ("cmdline", "environ"):
        with suppress(OSError):
            words += Path(f"/proc/{pid}/{name}").read_bytes()
    return words
