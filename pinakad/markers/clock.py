"""What time would a touch of a marker leave now? The file system's own clock says so, as finely as it keeps times."""

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from pinakad.markers.names import OURS

_PROBE = OURS + "clock-"
TICK_S = time.clock_getres(5)  # CLOCK_REALTIME_COARSE (clock_gettime(2)): by it the kernel stamps files, at best
_FUTURE_NS = 5 * 10**9  # more than the coarsest file system: FAT counts two seconds


class MarkerClock:
    """The clock of the files in one marker folder. Every method raises OSError where the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def now_ns(self) -> int:
        """Return the mtime that a touch would leave now, in nanoseconds since 1970."""
        probe = self._folder / f"{_PROBE}{secrets.token_hex(4)}"
        try:
            probe.touch()
            return probe.stat().st_mtime_ns
        finally:
            probe.unlink(missing_ok=True)

    def has_passed(self, mtime_ns: int) -> bool:
        """Return whether a touch from now on leaves another time than `mtime_ns`; a time in the future is another."""
        now_ns = self.now_ns()
        return now_ns > mtime_ns or mtime_ns - now_ns > _FUTURE_NS

    def remove_probes(self) -> None:
        """Remove the probes of an earlier daemon that was killed while it read the time."""
        for probe in [entry.name for entry in os.scandir(self._folder) if entry.name.startswith(_PROBE)]:
            with suppress(OSError):  # whatever has this name is in nobody's way
                (self._folder / probe).unlink()
