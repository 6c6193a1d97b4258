"""Questions in the marker folder: does a login at this address work? Each has its own file, `.pinakad-reach-*`."""

import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from pydantic import ValidationError

from pinakad.linux.files import read_up_to
from pinakad.markers.names import REACH
from pinakad.nodes import strict_json
from pinakad.printable import cause_of
from pinakad.report.reach import ReachRequestDocument

MAX_BYTES = 4096
FORGOTTEN_S = 60.0
"""A question that is older is not answered any more: whoever asked has gone."""
MOST_WAITING = 64
_TOKEN = re.compile(r"[0-9a-f]{16,64}")


@dataclass(frozen=True, slots=True)
class ReachRequest:
    """A question that is there: what is asked, or what is wrong with it. `asked_wall_s`: seconds since 1970."""

    token: str
    asked_wall_s: float
    document: ReachRequestDocument | None
    problem: str = ""

    @property
    def text(self) -> bytes:
        """The question as its file has it."""
        asked = self.document.model_dump(exclude_none=True) if self.document else {}
        return json.dumps(asked).encode() + b"\n"


class ReachRequests:
    """The questions in one marker folder. Every method raises OSError where the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def waiting(self, wall_s: float) -> list[ReachRequest]:
        """Return the questions, the oldest first; those behind MOST_WAITING are not read.

        What is too old, or has no sound name, is removed.
        """
        found = []
        for name in self._names():
            asked_s = self._asked_s(name)
            token = name.removeprefix(REACH)
            if asked_s is None:
                continue
            if not _TOKEN.fullmatch(token) or not -FORGOTTEN_S <= wall_s - asked_s <= FORGOTTEN_S:
                self.remove(token)
                continue
            found.append((asked_s, token))
        found.sort()
        soon = [self._read(token, asked_s) for asked_s, token in found[:MOST_WAITING]]
        return soon + [ReachRequest(token, asked_s, None) for asked_s, token in found[MOST_WAITING:]]

    def are_there(self) -> bool:
        """Return whether there is any question."""
        return any(self._names())

    def remove(self, token: str) -> None:
        """Remove a question; an empty folder of that name, too. One that cannot be removed is in nobody's way."""
        path = self._folder / (REACH + token)
        try:
            path.unlink()
        except IsADirectoryError:
            _remove_folder(path)
        except OSError:
            return

    def _names(self) -> Iterator[str]:
        with os.scandir(self._folder) as entries:
            yield from (entry.name for entry in entries if entry.name.startswith(REACH))

    def _asked_s(self, name: str) -> float | None:
        try:
            return (self._folder / name).lstat().st_mtime
        except OSError:
            return None

    def _read(self, token: str, asked_s: float) -> ReachRequest:
        try:
            document = _parsed(self._content(token))
        except ValueError as error:
            return ReachRequest(token, asked_s, None, str(error))
        return ReachRequest(token, asked_s, document)

    def _content(self, token: str) -> bytes:
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._folder / (REACH + token), flags)
        except OSError as error:
            raise ValueError(f"cannot read the question: {cause_of(error)}") from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError("a question must be a regular file")
            return read_up_to(descriptor, MAX_BYTES + 1)
        finally:
            os.close(descriptor)


def _parsed(raw: bytes) -> ReachRequestDocument:
    try:
        document = ReachRequestDocument.model_validate(strict_json.parse(raw, max_bytes=MAX_BYTES))
        ip_address(document.address)
    except (strict_json.JsonError, ValidationError, ValueError):
        text = 'a question must be {"address": "10.0.0.7"}, with a "port" where it is not the configured one'
        raise ValueError(text) from None
    return document


def _remove_folder(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        return
