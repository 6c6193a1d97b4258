"""Which names in the marker folder are nearly a marker, so that somebody waits for an answer that never comes?"""

import logging
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pinakad.events import Event, fields
from pinakad.markers.names import CANCEL, COMPLETED, FAILED, OURS, REQUEST
from pinakad.nodes.spelling import MAX_SLIPS, plain, slips_between
from pinakad.printable import printable

log = logging.getLogger(__name__)

RIGHT_SPELLING = "deployment_status"
"""The right spelling of the marker folder, whose historic name is deplyment_status."""
_MARKERS = {REQUEST, CANCEL, COMPLETED, FAILED}
_WORDS = {
    plain(REQUEST): REQUEST,
    plain(CANCEL): CANCEL,
    "deploymentcancelled": CANCEL,
    "deploymentcanceled": CANCEL,
}
_SUFFIX = re.compile(r"(\.(json|txt|marker|md|yaml|yml|toml))+$", re.IGNORECASE)
_MAX_NAME = 50
_MAX_HINTS = 5


class Hint(NamedTuple):
    """Something that is ignored: what it is, its path, and the path under which it would count."""

    text: str
    path: Path
    right: Path


class MarkerHints:
    """Logs each hint once, and again where its name went and came back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._logged: set[str] = set()

    def log_new(self) -> None:
        """List the folder, and log the hints that are new. Raises OSError where the folder is unreadable."""
        found = {hint.text for hint in hints(self._folder)}
        for text in sorted(found - self._logged):
            log.warning("%s", text, extra=fields(Event.REQUEST_PROBLEM))
        self._logged = found


def hints(folder: Path) -> list[Hint]:
    """Return hints for names that are nearly a marker, _MAX_HINTS at most, and for a folder that is nearly this one.

    Raises OSError where the folder is unreadable.
    """
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if _meant(entry.name) is not None)
    found = [_name_hint(folder, name) for name in names[:_MAX_HINTS]]
    return found + list(_folder_hint(folder))


def _name_hint(folder: Path, name: str) -> Hint:
    right = _meant(name) or REQUEST
    what = "a request" if right == REQUEST else "what cancels a deployment"
    return Hint(f"'{printable(name)}' is ignored: {what} is named '{right}'", folder / name, folder / right)


def _folder_hint(folder: Path) -> Iterator[Hint]:
    """Yield one hint at most."""
    slips = slips_between(plain(folder.name), plain(RIGHT_SPELLING))
    other = folder.with_name(RIGHT_SPELLING) if folder.name else folder
    if 0 < slips <= MAX_SLIPS and other.is_dir():
        holds = f"; it holds a '{REQUEST}'" if os.path.lexists(other / REQUEST) else ""
        text = f"the folder '{other.name}' beside '{folder.name}' is ignored: markers belong in the latter"
        yield Hint(text + holds, other, folder)


@lru_cache(maxsize=256)
def _meant(name: str) -> str | None:
    """Return the marker that a name nearly is, None where it is none, or one exactly."""
    if name in _MARKERS or name.startswith(OURS) or len(name) > _MAX_NAME:
        return None
    word = plain(_SUFFIX.sub("", name))
    return next((right for close, right in _WORDS.items() if slips_between(word, close) <= MAX_SLIPS), None)
