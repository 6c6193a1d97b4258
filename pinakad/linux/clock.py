"""The one clock of the daemon: seconds since the boot, the id of that boot, and an event loop that runs on them."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

from pinakad.linux.threads import PatientThreads
from pinakad.times import Instant, Moment


def boot_id() -> str:
    """Return the id of the host's boot (random(4)).

    The daemon's unit passes it in $PINAKAD_BOOT_ID: in a container, the sandbox's own /proc shows the outer host's.
    """
    given = os.environ.get("PINAKAD_BOOT_ID", "")
    if given:  # systemd.unit(5), %b: 32 digits
        return "-".join((given[:8], given[8:12], given[12:16], given[16:20], given[20:]))
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class BootClockLoop(asyncio.SelectorEventLoop):
    """A loop whose time is CLOCK_BOOTTIME: every timer and every duration in the daemon is on this one clock.

    What it is asked to do in a thread it does itself where the system has none left: slower, but done.
    """

    def __init__(self) -> None:
        super().__init__()
        self._beside = PatientThreads(self)

    def run_in_executor(  # type: ignore[override] # its own type is of a generic kind that is newer than 3.11
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Do `func` beside the loop (asyncio.to_thread comes here); its own pool would fail for want of a thread."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        return self._beside.submit(partial(func, *args))

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - asyncio's
        """Wait until what was begun is done."""
        self._beside.join()

    def time(self) -> float:
        """Return the seconds since the boot, time in suspend included (clock_gettime(2))."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def now() -> Instant:
    """Return this moment."""
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


def here() -> Moment:
    """Return this moment so that another boot understands it."""
    moment = now()
    return Moment(boot_id(), moment.boot_s, moment.wall_s)
