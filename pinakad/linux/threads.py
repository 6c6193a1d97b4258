"""Does work beside the loop, also where no thread is left for it.

The system refuses a thread where a limit is reached (setrlimit(2), RLIMIT_NPROC; `TasksMax=` of the unit). That is no
bug of ours: what needs a thread waits for one, and what does not is done in the loop.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")


class NoThreadError(Exception):
    """The system has no thread for this now."""


def start_thread(work: Callable[[], object], name: str) -> threading.Thread:
    """Do `work` in a thread of its own, that nobody waits for at the end. Raises NoThreadError: nothing was done."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise NoThreadError(str(error)) from None
    return thread


def are_left(count: int) -> bool:
    """Tell whether so many threads can be started now, all at once."""
    may_end = threading.Event()
    try:
        for _ in range(count):
            start_thread(may_end.wait, "is one left?")
    except NoThreadError:
        return False
    finally:
        may_end.set()
    return True


def beside(loop: asyncio.AbstractEventLoop, work: Callable[[], _T], name: str) -> asyncio.Future[_T]:
    """Do `work` in a thread and return its result to come. Raises NoThreadError; nothing is done then."""
    future: asyncio.Future[_T] = loop.create_future()

    def settle(set_: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            set_(value)

    def run() -> None:
        try:
            setter, value = future.set_result, work()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            setter, value = future.set_exception, error  # type: ignore[assignment]
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(settle, setter, value)

    start_thread(run, name)
    return future


class PatientThreads:
    """What a loop does beside itself: each in a thread of its own, and where there is none, at once in the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: set[threading.Thread] = set()

    def submit(self, work: Callable[[], _T]) -> asyncio.Future[_T]:
        """Do `work` and return its result, to come or there already."""
        future: asyncio.Future[_T] = self._loop.create_future()
        try:
            future = beside(self._loop, self._noted(work), "worker")
        except NoThreadError:
            try:
                future.set_result(work())
            except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the future
                future.set_exception(error)
        return future

    def join(self) -> None:
        """Wait until all is done: what is written is whole."""
        for thread in list(self._under_way):
            thread.join()

    def _noted(self, work: Callable[[], _T]) -> Callable[[], _T]:
        def noted() -> _T:
            thread = threading.current_thread()
            self._under_way.add(thread)
            try:
                return work()
            finally:
                self._under_way.discard(thread)

        return noted
