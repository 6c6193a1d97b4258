"""Repeats a write until it succeeds, whatever the OSError: a full disk, a read-only one, missing rights."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pinakad.printable import cause_of
from pinakad.state.troubles import Troubles

_Written = TypeVar("_Written")


class WriteRetry:
    """Repeats a write until it succeeds. `next_try` returns when it is time to try again, e.g. at the next rescan."""

    def __init__(self, next_try: Callable[[], Awaitable[None]], troubles: Troubles) -> None:
        self._next_try = next_try
        self._troubles = troubles

    async def until_done(self, what: str, write: Callable[[], _Written], *, in_thread: bool = False) -> _Written:
        """Return what `write` returns, once it raises no OSError; `what` names its object, for log and STATUS.

        A write that succeeds at once does not give way to other tasks, unless it is made in a thread.
        """
        while True:
            try:
                written = await asyncio.to_thread(write) if in_thread else write()
            except OSError as error:
                await self.wait_out(what, error)
            else:
                self.succeeded(what)
                return written

    async def wait_out(self, what: str, error: OSError) -> None:
        """Note that `what` cannot be written, and return when it is time to try again."""
        self.failed(what, error)
        await self._next_try()

    def failed(self, what: str, error: OSError) -> None:
        """Note that `what` cannot be written, without waiting."""
        where = f" ('{error.filename}')" if error.filename else ""
        self._troubles.note(_source(what), f"cannot write {what}: {cause_of(error)}{where}")

    def succeeded(self, what: str) -> None:
        """Note that `what` could be written."""
        self._troubles.clear(_source(what))

    def not_needed(self, what: str) -> None:
        """Note that `what` need not be written any more."""
        self._troubles.forget(_source(what))


def _source(what: str) -> str:
    return f"write {what}"
