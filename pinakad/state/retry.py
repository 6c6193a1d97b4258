"""What cannot be written for now, and when is it tried again?"""

import logging
from collections.abc import Awaitable, Callable

from pinakad.events import Event, fields
from pinakad.problems import cause_of

log = logging.getLogger(__name__)


class WriteRetry:
    """Waits out a disk that is full or read-only. `text` tells what is waited for, "" where nothing is."""

    def __init__(self, looked: Callable[[], Awaitable[None]]) -> None:
        self.text = ""
        self._looked = looked

    async def wait_out(self, what: str, error: OSError) -> None:
        """Say once what cannot be written, and return when it is time to try again."""
        self.say(f"cannot write {what}: {cause_of(error)}" + (f" ('{error.filename}')" if error.filename else ""))
        await self._looked()

    def say(self, text: str) -> None:
        """Log what stands in the way, once."""
        if text != self.text:
            log.error("%s; it is tried again", text, extra=fields(Event.STORAGE))
        self.text = text

    def over(self) -> None:
        """It could be written."""
        self.text = ""
