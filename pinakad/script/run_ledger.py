"""Which runs has root's side begun? Its own record, whatever the daemon's user does to the state folder.

<folder>/<id>   an empty file for each deployment whose script was to be run; the id is never run again
<folder>/lock   held while a script runs: there is one at a time
"""

import os
import time
from pathlib import Path

from pinakad.linux.files import sync_folder
from pinakad.linux.locks import try_lock

KEPT = 10_000
_CHECK_EVERY_S = 0.05
_NEW = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class RunRefusedError(Exception):
    """The run must not begin. The message says why."""


class RunLedger:
    """The runs that were begun, in a folder that only root can open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: int | None = None

    def begin(self, identifier: str, patience_s: float = 10.0) -> None:
        """Record durably that the run of this id begins, and keep every other one out until `end`.

        The last run's end is waited for: its `exit` is visible a moment earlier. Raises RunRefusedError and OSError.
        """
        lock = os.open(self._folder / "lock", _NEW, 0o600)
        deadline_s = time.monotonic() + patience_s
        while not try_lock(lock):
            if time.monotonic() >= deadline_s:
                os.close(lock)
                raise RunRefusedError("the script of another deployment still runs")
            time.sleep(_CHECK_EVERY_S)
        self._lock = lock
        try:
            os.close(os.open(self._folder / identifier, _NEW | os.O_EXCL, 0o600))
        except FileExistsError:
            raise RunRefusedError(f"deployment '{identifier}' was begun before, and is never run twice") from None
        sync_folder(self._folder)
        self._prune()

    def end(self) -> None:
        """Let the next run begin."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _prune(self) -> None:
        """Keep the latest: ids begin with their time."""
        names = sorted(name for name in os.listdir(self._folder) if name != "lock")  # noqa: PTH208 - names are all
        for name in names[:-KEPT]:
            (self._folder / name).unlink(missing_ok=True)
