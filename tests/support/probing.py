"""Attempts at nodes without a daemon: a prober with its login workers, and what these take of the machine."""

import ctypes
import gc
import os
from pathlib import Path
from typing import NamedTuple

from processes import login_workers, zombies

from pinakad.config import SshSettings
from pinakad.ssh.host_keys import HostKeys
from pinakad.ssh.prober import Prober, open_host_keys
from pinakad.ssh.worker_pool import WorkerPool, open_workers


def pool(key: Path, settings: SshSettings, ready_command: str = "") -> WorkerPool:
    """Return the workers that log in with a key: two at most, whatever this machine has."""
    return open_workers(key, settings.model_copy(update={"workers": 2}), ready_command)


def prober(
    folder: Path,
    settings: SshSettings,
    connections: int | None = None,
    ready_command: str = "",
    host_keys: HostKeys | None = None,
) -> Prober:
    """Return a prober that uses `key.pem` and `known_hosts` of a folder."""
    workers = pool(folder / "key.pem", settings, ready_command)
    return Prober(settings, workers, host_keys or open_host_keys(folder / "known_hosts", settings), connections)


class Standing(NamedTuple):
    """What this process and its login workers hold: threads, descriptors, and resident memory in KiB."""

    threads: int
    descriptors: int
    kb: int


def standing() -> Standing:
    """Return what is held now; what is free in this process's allocator is given back before."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    own = [_of(Path("/proc/self"))]
    return Standing(*map(sum, zip(*own, *(_of(Path("/proc", str(pid))) for pid in workers()), strict=True)))


def workers() -> list[int]:
    """Return the login workers of this process, also those that are dead and not reaped."""
    return login_workers(os.getpid()) + zombies(os.getpid())


def _of(process: Path) -> Standing:
    try:
        lines = (process / "status").read_text(encoding="utf-8").splitlines()
        descriptors = sum(1 for _ in (process / "fd").iterdir())
    except OSError:  # it has just ended
        return Standing(0, 0, 0)
    status = dict(line.split(":", 1) for line in lines)
    return Standing(int(status["Threads"]), descriptors, int(status.get("VmRSS", "0").split()[0]))
