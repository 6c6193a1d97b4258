"""Use up our user's inotify instances or watches: `inotify_hog.py instances|watches FOLDER`, until stdin ends.

It says `full` when nothing is left, but for one instance where it is the watches that are gone.
"""

import ctypes
import errno
import os
import sys
from pathlib import Path

IN_ATTRIB = 4
_FILES = 2000


def take_instances(leave: int) -> list[int]:
    """Open instances until there are none; then give some back."""
    libc = ctypes.CDLL(None, use_errno=True)
    taken = []
    while (descriptor := libc.inotify_init()) >= 0:
        taken.append(descriptor)
    for _ in range(leave):
        os.close(taken.pop())
    return taken


def take_watches(instances: list[int], folder: Path) -> None:
    """Watch the same files over and over until there are no watches left."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = [os.fsencode(folder / str(number)) for number in range(_FILES)]
    for name in names:
        Path(os.fsdecode(name)).touch()
    for descriptor in instances:
        for name in names:
            if libc.inotify_add_watch(descriptor, name, IN_ATTRIB) < 0:
                assert ctypes.get_errno() == errno.ENOSPC
                return
    raise AssertionError("there are more watches than this program can take")


if __name__ == "__main__":
    what, where = sys.argv[1:]
    held = take_instances(leave=0 if what == "instances" else 8)
    if what == "watches":
        take_watches(held, Path(where))
    print("full", flush=True)
    sys.stdin.read()
