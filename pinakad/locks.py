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
