"""How do readers see what the daemon does? status.json, at once at a change of phase, else about once a second.

While nodes are polled, it and the running report are written piece by piece, so that the loop is never held.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pinakad import __version__
from pinakad.linux.files import SlowDraft, write_whole
from pinakad.polling.node_poll import NodePoll
from pinakad.printable import cause_of
from pinakad.report.document import DaemonPart, Report, Status
from pinakad.report.node import counts_of
from pinakad.report.overview import Overview
from pinakad.report.pieces import NODES_A_PIECE, Frame, entries_of, report_frame, status_frame, status_pieces
from pinakad.state.store import ReportDraft, Store
from pinakad.state.troubles import Troubles
from pinakad.times import rfc3339

if TYPE_CHECKING:
    from pinakad.report.vocabulary import Phase

EVERY_S = 1.0
SHARE = 0.05
"""The share of the time that putting together and writing may take: a large report is written less often."""
_STATUS, _PROGRESS = "status file", "running report"


class StatusFile:
    """Writes status.json and the running report's progress. Neither is durable, and a failure of either fails no run.

    `now_s` is any steady clock; `changed` is called at each change of phase. `latest` is the running or latest report,
    while it runs with the nodes as they were at its last change of phase; `overview` has them as they were shown last.
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
        self.overview = Overview()
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
        self._is_polled = False
        self._failed = False
        self._writes = 0

    @property
    def is_due(self) -> bool:
        """Return whether progress would be written now if it were published."""
        return self._now_s() >= self._due_s

    def publish(self, report: Report | None) -> None:
        """Make `report` the latest one (None: it stays), and write status.json where something changed.

        That is a new phase, or a change of the daemon. What else is new, or failed, is written when it is due.
        """
        if report is not None:
            self.latest, self.overview, self._is_polled = report, Overview(report.nodes), False
        news = self._note_news()
        if not (news or (self.is_due and (self._failed or self.latest is not self._published))):
            return
        if self._is_polled:  # only publish_progress knows how the nodes are now
            self._due_s = 0.0
            return
        if self.latest is None or self.latest.is_finished:
            self._troubles.forget(_PROGRESS)
        began_s = time.thread_time()
        self._writes, self._published = self._writes + 1, self.latest
        file = _File(_STATUS, f"'{self._path}'", self._troubles)
        file.step(lambda: write_whole(self._path, status_pieces(self._status()), 0o644, durable=False))
        self._end_write([file], time.thread_time() - began_s)

    async def publish_progress(self, report: Report, polls: Sequence[NodePoll]) -> None:
        """Write the running report and status.json with the present polls of its nodes, in pieces.

        What is published meanwhile wins: then nothing is put in place.
        """
        self._writes += 1
        writes, cost_s, overview = self._writes, 0.0, Overview()
        shown = report.but(counts=counts_of(polls))
        self.latest, self._is_polled = shown, True
        self._note_news()
        files = [
            _SlowFile(_PROGRESS, "the running report", self._troubles, report_frame(shown)),
            _SlowFile(_STATUS, f"'{self._path}'", self._troubles, status_frame(self._status())),
        ]
        try:
            files[0].begin(lambda: self._store.progress(report.id))
            files[1].begin(lambda: SlowDraft(self._path))
            for start in range(0, len(polls), NODES_A_PIECE):
                at_s, piece = time.thread_time(), slice(start, start + NODES_A_PIECE)
                nodes = [node.with_poll(poll) for node, poll in zip(report.nodes[piece], polls[piece], strict=True)]
                overview.add(nodes)
                entries = entries_of(nodes)
                for file in files:
                    file.put(entries)
                cost_s += time.thread_time() - at_s
                await asyncio.sleep(0)
                if self._writes != writes:
                    return
            for file in files:
                file.end()
        finally:
            for file in files:
                file.close()
        self.overview, self._published = overview, shown
        self._end_write(files, cost_s)

    def _note_news(self) -> bool:
        """Return whether phase or daemon changed since the last call."""
        phase = (self.latest.id, self.latest.phase) if self.latest else None
        daemon = (self.events_trusted, self.queued)
        news = (phase, daemon) != (self._phase, self._daemon)
        if phase != self._phase:
            self._changed()
        self._phase, self._daemon = phase, daemon
        return news

    def _end_write(self, files: Sequence["_File"], cost_s: float) -> None:
        self._failed = any(file.has_failed for file in files)
        self._due_s = self._now_s() + max(EVERY_S * 0.9, cost_s / SHARE)

    def _status(self) -> Status:
        daemon = DaemonPart(
            pid=os.getpid(),
            version=__version__,
            started_at=self._started_at,
            watch="events" if self.events_trusted else "rescans",
            queued=self.queued,
        )
        return Status(daemon=daemon, deployment=self.latest)


class _File:
    """A file that is written, or a trouble that is noted: the two files may lie on two disks."""

    def __init__(self, source: str, what: str, troubles: Troubles) -> None:
        self.has_failed = False
        self._source = source
        self._what = what
        self._troubles = troubles

    def step(self, write: Callable[[], object], *, last: bool = True) -> None:
        """Do a step of the writing, unless one has failed. `last`: then the file is there, and no trouble any more."""
        if self.has_failed:
            return
        try:
            write()
        except OSError as error:
            self.has_failed = True
            self._troubles.note(self._source, f"cannot write {self._what}: {cause_of(error)}")
        else:
            if last:
                self._troubles.clear(self._source)


class _SlowFile(_File):
    """A document that is written piece by piece."""

    def __init__(self, source: str, what: str, troubles: Troubles, frame: Frame) -> None:
        super().__init__(source, what, troubles)
        self._frame = frame
        self._draft: SlowDraft | ReportDraft | None = None

    def begin(self, open_: Callable[[], "SlowDraft | ReportDraft"]) -> None:
        def begin() -> None:
            self._draft = open_()
            self._draft.write(self._frame.begin())

        self.step(begin, last=False)

    def put(self, entries: bytes) -> None:
        if self._draft is not None:
            self.step(partial(self._draft.write, self._frame.put(entries)), last=False)

    def end(self) -> None:
        if self._draft is not None:
            self.step(partial(self._draft.write, self._frame.end()), last=False)
            self.step(self._draft.put_in_place)

    def close(self) -> None:
        if self._draft is not None:
            self._draft.close()
