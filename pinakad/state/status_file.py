"""How do readers see how it stands: status.json at once at a change of phase, else about once a second?"""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pinakad import __version__
from pinakad.linux.files import write_whole
from pinakad.problems import cause_of
from pinakad.report.document import DaemonPart, Report, Status
from pinakad.state.store import Store, warn_unwritable
from pinakad.times import rfc3339

if TYPE_CHECKING:
    from pinakad.report.vocabulary import Phase

log = logging.getLogger(__name__)

EVERY_S = 1.0
SHARE = 0.025
"""What writing may cost of the time: a large report is written less often. To put it together costs as much again."""


class StatusFile:
    """Writes status.json and the running report's progress. Nothing of it is durable, and none of it can fail a run."""

    def __init__(
        self, runtime_dir: Path, store: Store, now_s: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self._path = runtime_dir / "status.json"
        self._store = store
        self._now_s = now_s
        self._changed = changed
        self._started_at = rfc3339(time.time())
        self._due_s = 0.0
        self._phase: tuple[str, Phase] | None = None
        self._daemon: tuple[bool, bool] | None = None
        self.trouble = ""
        self._told: Report | None = None
        self.latest: Report | None = None
        self.events_trusted = True
        self.queued = False

    @property
    def is_due(self) -> bool:
        """Tell whether progress is written now if it is told."""
        return self._now_s() >= self._due_s

    def tell(self, report: Report | None, *, progress: bool = True) -> None:
        """Take note of a report. It is written where its phase is new, or where it is time to; `progress`: as the
        running report too, which at a change of phase was written already.
        """
        self.latest = report or self.latest
        phase = (self.latest.id, self.latest.phase) if self.latest else None
        daemon = (self.events_trusted, self.queued)
        same_phase = phase == self._phase
        if same_phase and daemon == self._daemon and (self.latest is self._told or not self.is_due):
            return
        self._phase, self._daemon, self._told = phase, daemon, self.latest
        if not same_phase:
            self._changed()
        began_s = time.thread_time()
        self._write(progress=progress and same_phase)
        cost_s = time.thread_time() - began_s
        self._due_s = self._now_s() + max(EVERY_S * 0.9, cost_s / SHARE)

    def _write(self, *, progress: bool) -> None:
        """Write both, each for itself: they may lie on two disks. `trouble` has what cannot be written, for people."""
        before, self.trouble = self.trouble, ""
        if progress and self.latest is not None and not self.latest.is_finished:
            running = self.latest
            self._try("the running report", lambda: self._store.save(running, durable=False), before)
        self._try(f"'{self._path}'", lambda: write_whole(self._path, self._status(), 0o644, durable=False), before)

    def _try(self, what: str, write: Callable[[], None], before: str) -> None:
        try:
            write()
        except OSError as error:
            if not before and not self.trouble:
                warn_unwritable(what, error)
            self.trouble = self.trouble or f"cannot write {what}: {cause_of(error)}"

    def _status(self) -> bytes:
        daemon = DaemonPart(
            pid=os.getpid(),
            version=__version__,
            started_at=self._started_at,
            watch="events" if self.events_trusted else "rescans",
            queued=self.queued,
        )
        return Status(daemon=daemon, deployment=self.latest).json_text()
