"""Has any process a file open for writing?"""

import errno
import fcntl
import os
import signal
from pathlib import Path


def is_open_for_writing(path: Path) -> bool | None:
    """Return whether a process has the file open for writing; None where that is unknown.

    The kernel refuses a read lease while one has (fcntl(2), F_SETLEASE). Only the file's owner and root get a lease,
    and not every file system has them. Ours lasts microseconds; a process that opens the file in that time waits for
    it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.fcntl(
            descriptor, fcntl.F_SETSIG, signal.SIGURG
        )  # the signal of a broken lease; the default, SIGIO, would end this process
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    else:
        return False
    finally:
        os.close(descriptor)
