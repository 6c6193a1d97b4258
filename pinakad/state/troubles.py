"""What does not work at the moment? Each trouble is logged once, shown while it lasts, and logged when it is over."""

import logging

from pinakad.events import Event, fields

log = logging.getLogger(__name__)


class Troubles:
    """The troubles of one daemon, one text at most for each source; a source is a short name of what fails."""

    def __init__(self) -> None:
        self._noted: dict[str, tuple[str, Event]] = {}  # source -> text, event of the log; oldest first

    @property
    def text(self) -> str:
        """The oldest trouble that lasts, for people; "" where there is none."""
        return next((text for text, _ in self._noted.values()), "")

    def note(self, source: str, text: str, event: Event = Event.STORAGE) -> None:
        """Record that `source` fails; the text is logged where it differs from the last one of this source."""
        if self._noted.get(source, ("", event))[0] != text:
            log.error("%s; it is tried again", text, extra=fields(event))
        self._noted[source] = text, event

    def clear(self, source: str) -> None:
        """Record that `source` works; that is logged where it had failed."""
        text, event = self._noted.pop(source, ("", Event.STORAGE))
        if text:
            log.info("recovered: %s", text, extra=fields(event))

    def forget(self, source: str) -> None:
        """Show a trouble no longer where its source is not needed any more, so that nobody knows whether it works."""
        self._noted.pop(source, None)
