"""The event loop of the daemon: its time is the boot clock, and it works without threads where there are none."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

from pinakad.linux.threads import PatientThreads


class BootClockLoop(asyncio.SelectorEventLoop):
    """A loop whose time is CLOCK_BOOTTIME: every timer and every duration in the daemon is on this one clock.

    Work for a thread runs in the loop itself where the system has no thread left: slower, but it is done.
    """

    def __init__(self) -> None:
        super().__init__()
        self._beside = PatientThreads(self)

    def run_in_executor(  # type: ignore[override] # its own type is of a generic kind that is newer than 3.11
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run `func` beside the loop (asyncio.to_thread calls this); the pool of asyncio fails without a thread."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        return self._beside.submit(partial(func, *args))

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - asyncio's
        """Wait until all work beside the loop is done."""
        self._beside.join()

    def time(self) -> float:
        """Return the seconds since the boot, time in suspend included (clock_gettime(2))."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
