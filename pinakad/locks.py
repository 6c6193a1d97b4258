"""Who holds this: is there a daemon for a folder, a supervisor for a run?"""

import fcntl
import os
import time
from pathlib import Path

_LOCK_TRIES, _LOCK_PAUSE_S = 10, 0.02  # who only looks whether a daemon runs holds the lock for a moment, too


class LockedError(Exception):
    """Another daemon has this folder."""


def lock(path: Path) -> int:
    """Lock a file or folder until this process ends; return the descriptor that holds it. Raises LockedError."""
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE_S)
        else:
            return descriptor
    os.close(descriptor)
    raise LockedError(f"cannot use '{path}': another pinakad uses it")


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds the lock of a file. To look holds it for a moment, too."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class FolderLock:
    """The lock on a folder by its path; where the folder was replaced, the new one is locked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: tuple[int, int, int] | None = None

    def hold(self) -> None:
        """Make sure that the folder which is there now is ours. Raises LockedError and OSError."""
        status = self._folder.stat()
        if self._held is not None and self._held[1:] == (status.st_dev, status.st_ino):
            return
        descriptor = lock(self._folder)
        if self._held is not None:
            os.close(self._held[0])
        found = os.fstat(descriptor)
        self._held = (descriptor, found.st_dev, found.st_ino)
