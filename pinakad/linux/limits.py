"""What may this process use? Open files, memory, and how often garbage is collected."""

import ctypes
import gc
import resource
from contextlib import suppress
from functools import cache

_ENOUGH = 1 << 19
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD (mallopt(3))
_KEPT, _LARGE = 1 << 17, 1 << 18
_YOUNG, _MIDDLE, _OLD = 20_000, 20, 50


@cache
def inherited() -> tuple[int, int]:
    """Return the limits of open files, soft and hard, that this process was started with."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: every attempt at a node needs one (getrlimit(2))."""
    soft, hard = inherited()
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, soft), hard))


def return_memory() -> None:
    """Give large blocks back to the system when they are free. The report of ten thousand nodes is one of 8 MB.

    The C library would otherwise keep them, and with each learn to keep larger ones: a quarter more at its worst.
    """
    with suppress(AttributeError):  # a library without mallopt(3) has ways of its own
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_TRIM_THRESHOLD, _KEPT)


def collect_rarely() -> None:
    """Look for garbage less often, and never at what is there now: a seventh of what polling thousands of nodes costs.

    Call it when everything is imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
