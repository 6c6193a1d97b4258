"""Has any process a file open for writing?"""

import errno
import fcntl
import os
import signal
from pathlib import Path


def is_open_for_writing(path: Path) -> bool | None:
    """Tell whether somebody has the file open for writing; None where that cannot be known.

    A read lease is refused while somebody has (fcntl(2), F_SETLEASE). It is for the file's owner and for root only, and
    not every file system has it. Ours lasts microseconds; who opens the file just then waits for so long.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # that of a lease which is broken; SIGIO would end us
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    else:
        return False
    finally:
        os.close(descriptor)
