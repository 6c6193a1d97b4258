"""The marker folder as an API: what is asked, and what did we answer?

Every look lists the truth; events are hints that only wake us. The law: a request is known by its identity (inode,
mtime, size, content), what differs from the one that was served is another request, and no file leaves the folder
before it was compared.
"""

import errno
import logging
import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path

from pinakad.events import Event, fields
from pinakad.linux.clock import boot_id
from pinakad.linux.files import link_or_move, sync_folder, sync_if_regular, write_new
from pinakad.linux.leases import is_open_for_writing
from pinakad.markers.names import AWAY, CANCEL, COMPLETED, FAILED, OURS, REQUEST
from pinakad.markers.request import Identity, Request, read_request, status_of
from pinakad.problems import cause_of
from pinakad.report.document import Report
from pinakad.report.summary import summary_of
from pinakad.report.vocabulary import Outcome
from pinakad.state.crash_points import CrashPoint, crash_point
from pinakad.state.served import FolderIdentity

log = logging.getLogger(__name__)

_ASIDE = OURS + "request-"
_DRAFT = OURS + "answer"
_OF_ONE_NAME = {errno.EPERM, errno.EACCES, errno.ENOTEMPTY, errno.EBUSY, errno.EISDIR, errno.ENOTDIR}
_PROBE = OURS + "clock"
TICK_S = time.clock_getres(5)  # CLOCK_REALTIME_COARSE (clock_gettime(2)): by it the kernel stamps files, at best
_FUTURE_NS = 5 * 10**9  # more than the coarsest file system: FAT counts two seconds
QUIET_S = 0.2
"""A request that nobody closed is taken when it has been still for so long: a shell's `>` shows an empty file first."""
OPEN_LIMIT_S, CLOSE_LIMIT_S = 10.0, 3.0
"""One that is empty, or half written, and still open for writing is waited for so long; where that cannot be known, and
one that is empty was created and not closed, so long.
"""


class Markers:
    """One marker folder. Every method raises OSError where the folder cannot be used for now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._request = folder / REQUEST
        self._still: tuple[tuple[int, ...], float] | None = None
        self.obstacles: dict[str, str] = {}  # name -> why what has it can be neither removed nor moved away

    def look(self) -> Request | None:
        """Read the request that is there, None where there is none."""
        return read_request(self._request)

    def make_durable(self) -> None:
        """Make durable what stands in the folder, and the request's content and times: what is written down of it
        must be what a power cut leaves of it. One that cannot be opened is left as it is.
        """
        sync_if_regular(self._request)
        sync_folder(self.folder)

    def place(self) -> FolderIdentity:
        """Return which folder it is. Raises OSError where there is none."""
        status = self.folder.stat()
        return FolderIdentity(boot_id=boot_id(), device=status.st_dev, inode=status.st_ino)

    def is_requested(self) -> bool:
        """Tell whether there is something under the request's name."""
        return status_of(self._request) is not None

    def has_settled(self, now_s: float, *, closed: bool, created: bool = False) -> float:
        """Return the seconds until the request that is there may be taken: 0 when its writer is done with it.

        `closed`: an event told that its writer closed it or renamed it in; `created`: one told that it was created, and
        none since that it was closed. `now_s`: any steady clock. One that says nothing sound yet and is still open is
        waited for, OPEN_LIMIT_S from its last change on.
        """
        status = status_of(self._request)
        if status is None or closed:
            self._still = None
            return 0.0
        state = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_ctime_ns)
        if self._still is None or self._still[0] != state:
            self._still = (state, now_s)
        left_s = self._still[1] + QUIET_S - now_s
        if left_s <= 0:
            limit_s = self._writing_limit_s(status, created=created)
            left_s = min(QUIET_S, self._still[1] + limit_s - now_s)
        return max(0.0, left_s)

    def _writing_limit_s(self, status: os.stat_result, *, created: bool) -> float:
        """Return how long a writer that may still be at work is waited for.

        Where nobody can say who has it open, the events tell. An empty file that was linked in is created, too, and
        will not be closed: it is older than its place, unless both were done in one tick.
        """
        found = read_request(self._request) if stat.S_ISREG(status.st_mode) else None
        if found is None or (found.identity.size > 0 and found.document is not None):
            return 0.0
        is_open = is_open_for_writing(self._request)
        fresh = created and status.st_size == 0 and status.st_mtime_ns == status.st_ctime_ns
        if is_open is None:
            return CLOSE_LIMIT_S if fresh else 0.0
        return OPEN_LIMIT_S if is_open else 0.0

    def cancel_came_ns(self) -> int | None:
        """Return when somebody asked to cancel, by the file system's clock (ctime); None where nobody does."""
        status = status_of(self.folder / CANCEL)
        return None if status is None else status.st_ctime_ns

    def remove_cancel(self) -> bool:
        """Remove what asks to cancel; tell whether there was something. One that cannot be removed is an obstacle."""
        return self._remove_for_good(CANCEL)

    def now_ns(self) -> int:
        """Return the time that a touch would leave now: by the file system's own clock, as finely as it keeps times."""
        probe = self.folder / f"{_PROBE}-{secrets.token_hex(4)}"
        try:
            probe.touch()
            return probe.stat().st_mtime_ns
        finally:
            probe.unlink(missing_ok=True)

    def remove_probes(self) -> None:
        """Remove what an earlier daemon, cut in the middle of asking for the time, has left. Raises OSError."""
        for probe in [entry.name for entry in os.scandir(self.folder) if entry.name.startswith(f"{_PROBE}-")]:
            with suppress(OSError):  # whatever it is, it is in nobody's way
                (self.folder / probe).unlink()

    def has_passed(self, mtime_ns: int) -> bool:
        """Tell whether a touch from now on leaves another time than this one. One in the future is another anyway."""
        now_ns = self.now_ns()
        return now_ns > mtime_ns or mtime_ns - now_ns > _FUTURE_NS

    def remove_answers(self) -> None:
        """Remove what answered an earlier request, and a draft that a crash left."""
        with crash_point(CrashPoint.ANSWERS_CLEARED):
            self._remove_for_good(COMPLETED, FAILED, _DRAFT)

    def _remove_for_good(self, *names: str) -> bool:
        """Remove what is there of them: a power cut must not bring back an old answer, nor an old cancel."""
        removed = [name for name in names if self._clear(name)]
        if removed:
            sync_folder(self.folder)
        return bool(removed)

    def _clear(self, name: str) -> bool:
        """Take away whatever has this name; return whether there was something.

        What cannot be removed (a folder with something in it) is moved away, and what cannot even be moved (immutable,
        another user's in a sticky folder) is an obstacle: it is told, and holds nobody up.
        """
        try:
            there = _remove(self.folder / name)
        except OSError as error:
            self._move_away(name, error)
            return True
        self.obstacles.pop(name, None)
        return there

    def _move_away(self, name: str, cause: OSError) -> None:
        path, away = self.folder / name, self.folder / f"{AWAY}{name.lstrip('.')}-{secrets.token_hex(4)}"
        try:
            path.rename(away)
        except OSError as error:
            if error.errno not in _OF_ONE_NAME or not os.access(self.folder, os.W_OK | os.X_OK):
                raise
            self._note_obstacle(name, error)
        else:
            self.obstacles.pop(name, None)
            text = "cannot remove '%s': %s; it is moved to '%s'"
            log.warning(text, path, cause_of(cause), away.name, extra=fields(Event.REQUEST_PROBLEM))

    def _note_obstacle(self, name: str, error: OSError) -> None:
        path = self.folder / name
        text = f"cannot remove '{path}': {cause_of(error)}; remove it as root (chattr -i first where it is immutable)"
        if self.obstacles.get(name) != text:
            self.obstacles[name] = text
            log.error("%s", text, extra=fields(Event.REQUEST_PROBLEM))

    def answered_id(self) -> str | None:
        """Return the id of the deployment whose answer is there, None where there is none that can be read."""
        found = summary_of(self.folder / COMPLETED) or summary_of(self.folder / FAILED)
        return found.id if found else None

    def answer(self, report: Report) -> bool:
        """Put the answer in place: the report, under the one name that fits its outcome.

        Return False where something else has that name and cannot be taken away: then it is an obstacle.
        """
        completed = report.outcome is Outcome.COMPLETED
        name, other = (COMPLETED, FAILED) if completed else (FAILED, COMPLETED)
        with crash_point(CrashPoint.ANSWER_WRITTEN):
            self._clear(other)
            if not _is_file_or_nothing(self.folder / name):
                self._clear(name)
            self._clear(_DRAFT)
            draft = _DRAFT if _DRAFT not in self.obstacles else f"{_DRAFT}-{secrets.token_hex(4)}"
            return self._write_answer(name, report.json_text(), self.folder / draft)

    def _write_answer(self, name: str, text: bytes, draft: Path) -> bool:
        write_new(draft, text, 0o644, durable=True)
        try:
            try:
                draft.rename(self.folder / name)
            except OSError as error:
                if error.errno not in _OF_ONE_NAME:
                    raise
                self._move_away(name, error)
                if name in self.obstacles:
                    return False
                draft.rename(self.folder / name)
        finally:
            with suppress(OSError):
                draft.unlink()
        self.obstacles.pop(name, None)
        sync_folder(self.folder)
        return True

    def set_aside(self, served: Identity, identifier: str) -> bool:
        """Take the request that was served out of the way; return whether it had still been there, and is not now.

        What differs from `served` is another request and stays, or comes back. The file that was set aside is kept:
        whoever holds it open may still touch it, see `release`.
        """
        found = read_request(self._request)
        if found is None:
            return False
        if found.identity != served:
            sync_if_regular(self._request)  # else a power cut could take the touch back: it would be the served one
            return False
        if _is_folder(self._request):
            return self._remove_for_good(REQUEST) and REQUEST not in self.obstacles
        aside = self.folder / (_ASIDE + identifier)
        try:
            with crash_point(CrashPoint.REQUEST_SET_ASIDE):
                self._request.rename(aside)
        except FileNotFoundError:
            return False
        sync_folder(self.folder)  # before we write down that it is gone: a power cut must not bring it back
        again = read_request(aside)
        if again is not None and again.identity != served:
            self._put_back(aside, None)
        return True

    def asides(self) -> list[str]:
        """Return the ids of the deployments whose requests are set aside."""
        return [entry.name[len(_ASIDE) :] for entry in os.scandir(self.folder) if entry.name.startswith(_ASIDE)]

    def release(
        self, identifier: str, served: Identity | None, *, keep: bool = False, running: Identity | None = None
    ) -> bool:
        """Remove a request that was set aside, or put it back where it was touched since.

        Return whether it is gone. `served` None: nobody knows what it was, so it is a request. `keep`: an untouched
        one stays for now. `running`: what is being served now; the touch may be later than the start of that run.
        What is gone is durably gone: a power cut must not bring it back beside what is served after it.
        """
        aside = self.folder / (_ASIDE + identifier)
        found = read_request(aside)
        if found is None:
            return True
        if found.identity != served:
            return self._put_back(aside, running)
        if keep:
            return False
        with crash_point(CrashPoint.REQUEST_REMOVED):
            self._remove_for_good(aside.name)
        return True

    def _put_back(self, aside: Path, running: Identity | None) -> bool:
        """An even newer request in its place wins: link(2) does not replace. One that is being served is not newer:
        the place is waited for then. Return whether it is done.

        Its place is durable before the name aside goes: a power cut leaves one of them or both. Both are one file,
        and then only the name aside goes. The touch is durable before both: without it, it would be the served one.
        """
        sync_if_regular(aside)
        with crash_point(CrashPoint.REQUEST_PUT_BACK):
            try:
                link_or_move(aside, self._request, durable=True)
            except FileExistsError:
                if not self._is_standing(aside):
                    standing = read_request(self._request)
                    if standing is None or standing.identity == running:
                        return False
                self._remove_for_good(aside.name)
        log.info("the request was touched while it was being served: it counts again")
        return True

    def _is_standing(self, aside: Path) -> bool:
        one, other = status_of(aside), status_of(self._request)
        return one is not None and other is not None and os.path.samestat(one, other)


def _is_folder(path: Path) -> bool:
    status = status_of(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _is_file_or_nothing(path: Path) -> bool:
    """A file is replaced at one stroke: at no moment is there none."""
    status = status_of(path)
    return status is None or stat.S_ISREG(status.st_mode)


def _remove(path: Path) -> bool:
    """Remove a name, whatever it is, without following it; an empty folder too."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except (IsADirectoryError, PermissionError):
        if not _is_folder(path):
            raise
        path.rmdir()
    return True
