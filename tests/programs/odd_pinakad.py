"""The daemon as a program in odd circumstances, which it does not know of.

KILL_READER: the library's inotify thread dies as soon as it runs. WALL_CLOCK: a file with the seconds by which the wall
clock is wrong; there is no other safe way to set the clock of one process only.
"""

import os
import sys
import threading
import time
from pathlib import Path
from types import FrameType


def set_clock(offset: Path) -> None:
    """Let everything in this process see a wall clock that is wrong by what the file says."""
    right, right_ns = time.time, time.time_ns

    def wrong_by() -> float:
        return float(offset.read_text(encoding="ascii") or 0)

    time.time = lambda: right() + wrong_by()
    time.time_ns = lambda: right_ns() + int(wrong_by() * 1e9)


def kill_reader() -> None:
    """Raise SystemExit where the library's reader thread begins to run: before it has read any event."""

    def begins(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == "run":
            sys.setprofile(None)  # of this thread: of every other one we want no more
            if type(threading.current_thread()).__name__ == "InotifyFD":
                raise SystemExit

    threading.setprofile(begins)


if __name__ == "__main__":
    if "WALL_CLOCK" in os.environ:
        set_clock(Path(os.environ["WALL_CLOCK"]))
    from pinakad.__main__ import main

    if "KILL_READER" in os.environ:
        kill_reader()
    main()
