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
    """Return the limits of open files, soft and hard, with which this process was started (getrlimit(2))."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one, as each attempt at a node needs a file. Nothing is raised."""
    soft, hard = inherited()
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, soft), hard))


def return_memory() -> None:
    """Make the C library return large free blocks to the system (mallopt(3)): a report of ten thousand nodes has 8 MB.

    By default the library keeps such blocks, and with each raises the size from which it returns them: up to a quarter
    more memory.
    """
    with suppress(AttributeError):  # a C library without mallopt(3) has other ways
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_TRIM_THRESHOLD, _KEPT)


def collect_rarely() -> None:
    """Collect garbage less often, and never among the present objects: it saves a seventh of the cost of polling.

    Call it when everything is imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
