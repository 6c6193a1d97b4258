"""The event loop of the daemon: its time is the boot clock, and it has a way on where no thread can be had."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

from pinakad.linux.threads import PatientThreads


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
