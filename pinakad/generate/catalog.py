"""Generates the journal catalog, which `journalctl -x` shows, from the events."""

import textwrap

from pinakad.events import Event

_WIDTH = 79


def catalog_text() -> str:
    """Return the journal catalog (https://systemd.io/CATALOG/) with an entry for each kind of event."""
    return "\n".join(_entry(event) for event in Event)


def _entry(event: Event) -> str:
    kind = event.value
    explanation = textwrap.fill(kind.explanation, _WIDTH)
    return f"-- {kind.message_id}\nSubject: {kind.subject}\nDefined-By: pinakad\n\n{explanation}\n"
