"""How do readers see what the daemon does? status.json, at once at a change of phase, else about once a second."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pinakad import __version__
from pinakad.linux.files import write_whole
from pinakad.printable import cause_of
from pinakad.report.document import DaemonPart, Report, Status
from pinakad.state.store import Store
from pinakad.state.troubles import Troubles
from pinakad.times import rfc3339

if TYPE_CHECKING:
    from pinakad.report.vocabulary import Phase

EVERY_S = 1.0
SHARE = 0.025
"""The share of the time that writing may take: a large report is written less often. Making its parts costs as much."""
_STATUS, _PROGRESS = "status file", "running report"


class StatusFile:
    """Writes status.json and the running report's progress. Neither is durable, and a failure of either fails no run.

    `now_s` is any steady clock; `changed` is called at each change of phase.
    """

    def __init__(
        self,
        runtime_dir: Path,
        store: Store,
        now_s: Callable[[], float],
        changed: Callable[[], None],
        troubles: Troubles,
    ) -> None:
        self.latest: Report | None = None
        self.events_trusted = True
        self.queued = False
        self._path = runtime_dir / "status.json"
        self._store = store
        self._now_s = now_s
        self._changed = changed
        self._troubles = troubles
        self._started_at = rfc3339(time.time())
        self._due_s = 0.0
        self._phase: tuple[str, Phase] | None = None
        self._daemon: tuple[bool, bool] | None = None
        self._published: Report | None = None
        self._failed = False

    @property
    def is_due(self) -> bool:
        """Return whether progress would be written now if it were published."""
        return self._now_s() >= self._due_s

    def publish(self, report: Report | None, *, progress: bool = True) -> None:
        """Make `report` the latest one (None: it stays), and write where something changed that readers see.

        A new phase and a change of the daemon are written at once, progress where that is due. `progress`: the running
        report is written, too; at a change of phase that was done already.
        """
        self.latest = report or self.latest
        phase = (self.latest.id, self.latest.phase) if self.latest else None
        daemon = (self.events_trusted, self.queued)
        same_phase = phase == self._phase
        if same_phase and daemon == self._daemon and not self._has_progress():
            return
        self._phase, self._daemon, self._published = phase, daemon, self.latest
        if not same_phase:
            self._changed()
        began_s = time.thread_time()
        self._write(progress=progress and same_phase)
        cost_s = time.thread_time() - began_s
        self._due_s = self._now_s() + max(EVERY_S * 0.9, cost_s / SHARE)

    def _has_progress(self) -> bool:
        return self.is_due and (self._failed or self.latest is not self._published)

    def _write(self, *, progress: bool) -> None:
        """Write both files, and the second where the first fails: they may lie on two disks."""
        running = self.latest
        if running is None or running.is_finished:
            self._troubles.forget(_PROGRESS)
        elif progress:
            self._try(_PROGRESS, "the running report", lambda: self._store.save(running, durable=False))
        status = lambda: write_whole(self._path, self._status(), 0o644, durable=False)  # noqa: E731
        self._failed = not self._try(_STATUS, f"'{self._path}'", status)

    def _try(self, source: str, what: str, write: Callable[[], None]) -> bool:
        try:
            write()
        except OSError as error:
            self._troubles.note(source, f"cannot write {what}: {cause_of(error)}")
            return False
        self._troubles.clear(source)
        return True

    def _status(self) -> bytes:
        daemon = DaemonPart(
            pid=os.getpid(),
            version=__version__,
            started_at=self._started_at,
            watch="events" if self.events_trusted else "rescans",
            queued=self.queued,
        )
        return Status(daemon=daemon, deployment=self.latest).json_text()
