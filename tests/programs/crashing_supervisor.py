"""The supervisor as a program that kills or stops itself right before one of its calls to the system.

Arguments: the supervisor's file, the signal's number, which call (its number, or the first one of a name), and the
supervisor's own command line. It is run as the supervisor is, with nothing but the standard library.
"""

import os
import runpy
import signal
import sys
from typing import Any

_MODULES = {"posix", "fcntl", "select", "_signal"}
_READS_OF_A_LOOK = 3


class _Calls:
    def __init__(self, number: int, at: str) -> None:
        self._number = number
        self._at = at
        self._pid = os.getpid()
        self._count = 0
        self._reading = 0

    def __call__(self, frame: Any, event: str, function: Any) -> None:
        if event != "c_call" or getattr(function, "__module__", "") not in _MODULES or os.getpid() != self._pid:
            return
        if self._is_more_of_the_same(frame):
            return
        if self._at in (str(self._count), function.__name__):
            sys.setprofile(None)
            os.kill(self._pid, self._number)
        self._count += 1

    def _is_more_of_the_same(self, frame: Any) -> bool:
        """The look at all processes makes thousands of calls that only read: of each look, the first few count."""
        while frame is not None and frame.f_code.co_name != "foreign_runs":
            frame = frame.f_back
        self._reading = self._reading + 1 if frame is not None else 0
        return self._reading > _READS_OF_A_LOOK


if __name__ == "__main__":
    _, program, number, at, *words = sys.argv
    names = runpy.run_path(program)
    main, spec = names["main"], names["Spec"].of_words(words)
    sys.setprofile(_Calls(signal.Signals(int(number)), at))
    sys.exit(main(spec))
