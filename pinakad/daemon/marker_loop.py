"""Checks the markers whenever something may have happened, and every RESCAN_S anyway."""

import asyncio
from collections.abc import Callable

from pinakad.daemon.worker import RequestWorker
from pinakad.events import Event
from pinakad.linux.locks import FolderLock, LockedError, StateLock
from pinakad.linux.waiting import wait_until_set
from pinakad.linux.watch import Watch
from pinakad.markers.hints import MarkerHints
from pinakad.markers.names import REQUEST
from pinakad.printable import cause_of
from pinakad.state.status_file import StatusFile
from pinakad.state.store import Store
from pinakad.state.troubles import Troubles

RESCAN_S = 5.0
_STATE, _MARKERS = "state folder", "marker folder"


class Checks:
    """The moments at which the marker folder is checked. `woken` asks for a check now."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.woken = asyncio.Event()
        self.last_s = now_s()
        self._now_s = now_s
        self._done = asyncio.Event()

    async def wait_for_next(self) -> None:
        """Return after the next check."""
        await self._done.wait()

    def note_done(self) -> None:
        """Note that a check is done."""
        self.last_s = self._now_s()
        self._done.set()
        self._done = asyncio.Event()


class MarkerLoop:
    """The loop over the markers. `requested` is set where a request may be taken."""

    def __init__(
        self,
        checks: Checks,
        worker: RequestWorker,
        watch: Watch,
        locks: tuple[StateLock, FolderLock],
        store: Store,
        hints: MarkerHints,
        status_file: StatusFile,
        troubles: Troubles,
        now_s: Callable[[], float],
    ) -> None:
        self.requested = asyncio.Event()
        self._checks = checks
        self._worker = worker
        self._watch = watch
        self._state_lock, self._marker_lock = locks
        self._store = store
        self._hints = hints
        self._status_file = status_file
        self._troubles = troubles
        self._now_s = now_s

    async def run(self) -> None:
        """Check again and again, for ever."""
        woken = self._checks.woken
        while True:
            woken.clear()
            self._ensure_state_folder()
            wait_s = min(self._check(), RESCAN_S)
            self._checks.note_done()
            await wait_until_set(woken, wait_s)

    def _ensure_state_folder(self) -> None:
        """Make again what somebody else removed of the state folder, the lock included.

        Without the folder no request can be taken, and without the lock no other process knows of this daemon.
        """
        try:
            self._store.ensure()
            self._state_lock.hold()
        except (OSError, LockedError) as error:
            self._troubles.note(_STATE, f"cannot keep the state folder: {cause_of(error)}")
        else:
            self._troubles.clear(_STATE)

    def _check(self) -> float:
        """Check once; return after how many seconds the next check is due."""
        closed, created = self._watch.was_closed(REQUEST), self._watch.is_created(REQUEST)
        self._watch.ensure()
        try:
            self._marker_lock.hold()
            due_s = self._worker.react(self._now_s(), closed=closed, created=created)
            self._status_file.queued = self._worker.is_queued()
            self._hints.log_new()
        except (OSError, LockedError) as error:  # the watch names the folder
            self._troubles.note(_MARKERS, f"cannot check the markers: {cause_of(error)}", Event.REQUEST_PROBLEM)
            return RESCAN_S
        self._troubles.clear(_MARKERS)
        if due_s == 0.0:
            self.requested.set()
        return due_s or RESCAN_S
