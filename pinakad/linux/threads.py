"""Runs work beside the loop, even where no thread is left for it.

The system refuses a thread where a limit is reached (setrlimit(2), RLIMIT_NPROC; `TasksMax=` of the unit). That is not
a bug of pinakad: work that needs a thread waits for one, other work runs in the loop.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")


class NoThreadError(Exception):
    """The system has no thread left now; the work was not begun."""


def start_thread(work: Callable[[], object], name: str) -> threading.Thread:
    """Run `work` in a thread of its own, which does not delay the end of the process. Raises NoThreadError."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise NoThreadError(str(error)) from None
    return thread


def are_left(count: int) -> bool:
    """Return whether `count` threads can run at the same time now, besides those that run."""
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
    """Run `work` in a thread; return the future of its result or error. Raises NoThreadError."""
    future: asyncio.Future[_T] = loop.create_future()

    def settle(set_: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            set_(value)

    def run() -> None:
        try:
            setter, value = future.set_result, work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the future is awaited
            setter, value = future.set_exception, error  # type: ignore[assignment]
        with suppress(RuntimeError):  # the loop is closed, so nothing awaits the future
            loop.call_soon_threadsafe(settle, setter, value)

    start_thread(run, name)
    return future


class PatientThreads:
    """Runs each piece of work of a loop in a thread of its own, or at once in the loop where there is no thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: set[threading.Thread] = set()

    def submit(self, work: Callable[[], _T]) -> asyncio.Future[_T]:
        """Run `work`; return the future of its result or error, which is done already where there was no thread."""
        future: asyncio.Future[_T] = self._loop.create_future()
        try:
            future = beside(self._loop, self._noted(work), "worker")
        except NoThreadError:
            try:
                future.set_result(work())
            except Exception as error:  # noqa: BLE001 - it is raised where the future is awaited
                future.set_exception(error)
        return future

    def join(self) -> None:
        """Block until all work is done, so that no write is cut off."""
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
