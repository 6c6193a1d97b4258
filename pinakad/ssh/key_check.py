"""Can the SSH key be used? A login worker tries it, once for each content: the daemon itself never reads it."""

import os
from collections.abc import Callable
from pathlib import Path

from pinakad.login.key_file import CERTIFICATE
from pinakad.ssh.worker_pool import WorkerPool

_TOO_YOUNG_NS = 100_000_000
"""A file that changed so shortly before it was read may have changed right after that, and show the same times."""
Identity = tuple[tuple[int, ...] | None, ...]


class KeyCheck:
    """Remembers which key could be used. `wall_ns()` is the time of the files' clock, in nanoseconds since 1970."""

    def __init__(self, wall_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self._usable: Identity | None = None

    async def require_usable(self, key: Path, workers: WorkerPool) -> None:
        """Return at once for a key that could be used and has not changed since; else have a worker try it.

        Raises SshKeyError where it cannot be used, NoWorkerError and OSError where that cannot be found out.
        """
        before = _identity(key)
        if before[0] is not None and before == self._usable:
            return
        read_ns = self._wall_ns()
        await workers.check_key()
        is_settled = all(read_ns - max(found[-2:]) > _TOO_YOUNG_NS for found in before if found)
        self._usable = before if is_settled and before == _identity(key) else None


def _identity(key: Path) -> Identity:
    """Return what changes with the content of the key and its certificate, and with who may read them."""
    return tuple(_of_file(path) for path in (key, Path(f"{key}{CERTIFICATE}")))


def _of_file(path: Path) -> tuple[int, ...] | None:
    """Return the facts of a file, its two times last; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - what it leads to
    except OSError:
        return None
    what = found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid, found.st_size
    return *what, found.st_mtime_ns, found.st_ctime_ns
