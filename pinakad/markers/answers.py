"""Puts the answer of a deployment into the marker folder: the report, under the one name that fits its outcome."""

import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pinakad.linux.files import sync_folder, write_new
from pinakad.markers.names import COMPLETED, FAILED, OURS
from pinakad.markers.removal import OF_ONE_NAME, MarkerRemoval
from pinakad.markers.request import status_of
from pinakad.report.document import Report
from pinakad.report.pieces import report_pieces
from pinakad.report.vocabulary import Outcome
from pinakad.state.crash_points import CrashPoint, crash_point
from pinakad.state.summaries import summary_of

_DRAFT = OURS + "answer"


class Answers:
    """The answers in one marker folder. Every method raises OSError where the folder cannot be used for now."""

    def __init__(self, folder: Path, removal: MarkerRemoval) -> None:
        self._folder = folder
        self._removal = removal

    def answered_id(self) -> str | None:
        """Return the id of the deployment whose answer is there, None where there is none that can be read."""
        found = summary_of(self._folder / COMPLETED) or summary_of(self._folder / FAILED)
        return found.id if found else None

    def remove_all(self) -> None:
        """Remove the answers to an earlier request, and a draft that a crash left."""
        with crash_point(CrashPoint.ANSWERS_CLEARED):
            self._removal.remove_durably(COMPLETED, FAILED, _DRAFT)

    def put(self, report: Report) -> bool:
        """Put the answer in place, durably.

        Return False where something else has that name and can be neither removed nor moved: then it is an obstacle.
        """
        completed = report.outcome is Outcome.COMPLETED
        name, other = (COMPLETED, FAILED) if completed else (FAILED, COMPLETED)
        with crash_point(CrashPoint.ANSWER_WRITTEN):
            self._removal.remove(other)
            if not _is_file_or_nothing(self._folder / name):
                self._removal.remove(name)
            self._removal.remove(_DRAFT)
            draft = _DRAFT if _DRAFT not in self._removal.obstacles else f"{_DRAFT}-{secrets.token_hex(4)}"
            return self._write(name, report_pieces(report), self._folder / draft)

    def _write(self, name: str, text: Iterable[bytes], draft: Path) -> bool:
        write_new(draft, text, 0o644, durable=True)
        try:
            if not self._move_in(draft, name):
                return False
        finally:
            with suppress(OSError):
                draft.unlink()
        self._removal.cleared(name)
        sync_folder(self._folder)
        return True

    def _move_in(self, draft: Path, name: str) -> bool:
        try:
            draft.rename(self._folder / name)
        except OSError as error:
            if error.errno not in OF_ONE_NAME:
                raise
            self._removal.move_away(name, error)
            if name in self._removal.obstacles:
                return False
            draft.rename(self._folder / name)
        return True


def _is_file_or_nothing(path: Path) -> bool:
    """A file is replaced atomically: the name exists at all times."""
    status = status_of(path)
    return status is None or stat.S_ISREG(status.st_mode)
