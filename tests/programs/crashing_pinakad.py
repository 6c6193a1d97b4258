"""The daemon as a program that kills itself, at a step of pinakad/steps.py or some time after its start.

CRASH_AT: what pinakad.state.crash_points logs there, e.g. "begins: folder made". CRASH_AFTER_S: seconds, from here on.
"""

import logging
import os
import signal

import pinakad.daemon.startup  # noqa: F401 - loaded now, so that the seconds count what the daemon does
from pinakad.__main__ import main


class _Crash(logging.Handler):
    def __init__(self, at: str) -> None:
        super().__init__()
        self._at = at

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    steps = logging.getLogger("pinakad.state.crash_points")
    steps.setLevel(logging.DEBUG)
    steps.addHandler(_Crash(os.environ.get("CRASH_AT", "")))
    # nobody handles this signal: the kernel ends the process wherever it is, in all its threads
    signal.setitimer(signal.ITIMER_REAL, float(os.environ.get("CRASH_AFTER_S", "0")))
    main()
