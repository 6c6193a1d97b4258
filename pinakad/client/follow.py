"""How does the deployment that is meant end? A client reads files only, and so outlives restarts of the daemon.

The law: what is followed is chosen once (a `DeploymentRef`); from then on only a finished report of that one
deployment is its verdict. As long as nothing changes a check costs two calls of stat(2).
"""

import time
from collections.abc import Callable

from pinakad.client.errors import NoDaemonError, NoReadError, RequestRemovedError, TimedOutError
from pinakad.client.lookup import load
from pinakad.client.refs import DeploymentRef
from pinakad.linux.locks import is_locked
from pinakad.markers.folder import Markers
from pinakad.report.document import Report
from pinakad.state.store import Store

GRACE_S = 10.0
"""A daemon that is restarted, or upgraded, is back by then."""
CHECK_EVERY_S = 0.2
_PROGRESS_EVERY_S = 1.0
_REMOVED_S = 3.0
_ANSWER_S = 5.0
"""The verdict is durable first, then the answer is put out: a program that reads the answer after us should find it."""


class Follower:
    """Follows one deployment. `on_progress` gets its report, None before there is one."""

    def __init__(
        self, store: Store, markers: Markers, ref: DeploymentRef, on_progress: Callable[[Report | None], None]
    ) -> None:
        self._store, self._markers, self._ref, self._on_progress = store, markers, ref, on_progress
        self._identifier: str | None = None
        self._report: Report | None = None
        self._seen: tuple[int, ...] = ()
        self._alive_s = self._requested_s = time.monotonic()
        self._over_s: float | None = None
        self._reported_s = 0.0

    def follow(self, limit_s: float | None) -> Report:
        """Return the finished report. `limit_s` is the longest time to wait, None for no limit.

        Raises TimedOutError, NoDaemonError, RequestRemovedError, NoReadError and UnreadableReportError.
        """
        began_s = time.monotonic()
        while True:
            self._refresh()
            now_s = time.monotonic()
            self._report_progress(now_s)
            if self._report is not None and self._is_over(self._report, now_s):
                return self._report
            self._require_hope(now_s)
            left_s = CHECK_EVERY_S if limit_s is None else began_s + limit_s - now_s
            if left_s <= 0:
                raise TimedOutError(limit_s or 0.0, self._identifier, self._report.phase if self._report else None)
            time.sleep(min(CHECK_EVERY_S, left_s))

    def _refresh(self) -> None:
        if self._identifier is None:
            self._identifier = self._ref.find(self._store)
        if self._identifier is None:
            return
        path = self._store.folder(self._identifier) / "report.json"
        try:
            status = path.stat()
        except OSError as error:
            if self._report is not None or not isinstance(error, FileNotFoundError):
                raise NoReadError(path, error) from error
            if not path.parent.exists():
                self._identifier = None  # it could not even be begun: it begins again under another id
            return
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._report, self._seen = load(self._store, self._identifier), seen
            self._reported_s = 0.0

    def _report_progress(self, now_s: float) -> None:
        """Report a change at once; without one report at intervals, because the time that is left goes by."""
        if now_s - self._reported_s >= _PROGRESS_EVERY_S:
            self._reported_s = now_s
            self._on_progress(self._report)

    def _is_over(self, report: Report, now_s: float) -> bool:
        if not report.is_finished:
            return False
        self._over_s = self._over_s or now_s
        return self._store.is_answered(report.id) or now_s - self._over_s > _ANSWER_S or not self._runs()

    def _require_hope(self, now_s: float) -> None:
        if self._runs():
            self._alive_s = now_s
        elif now_s - self._alive_s > GRACE_S:
            raise NoDaemonError(GRACE_S)
        if self._identifier is not None or self._is_requested():
            self._requested_s = now_s
        elif now_s - self._requested_s > _REMOVED_S:
            raise RequestRemovedError

    def _is_requested(self) -> bool:
        try:
            return self._markers.is_requested()
        except OSError:
            return True  # the folder may come back, and the daemon waits for it too

    def _runs(self) -> bool:
        return is_locked(self._store.lock_file)
