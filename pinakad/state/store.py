"""The state folder: what of a deployment is written down, and how is it found again?

deployments/.trash-<id>/       an old deployment that is being removed
deployments/<id>/report.json   the report, rewritten while the deployment runs
                 report.durable.json   the last one that was synced: what a power cut can leave of report.json
                 nodes/        the snapshot
                 answered      the answer is out and the request is gone: nothing is left to do
                 started, exit, script.log   the supervisor's
served.json                    which requests were taken and are not known to be gone (state/served.py)
known_hosts, lock, canary/
"""

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pinakad.linux.files import SlowDraft, make_folder, sync_folder, write_all, write_new
from pinakad.report.document import Report
from pinakad.state import report_file
from pinakad.state.crash_points import CrashPoint, crash_point
from pinakad.state.folders import StateFolders
from pinakad.state.report_file import StateUnreadableError
from pinakad.state.served import ServedRequests

__all__ = ["StateUnreadableError", "Store"]

_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z\.([0-9]{4,})")
_ANSWERED = "answered"
_SNAPSHOT_MODE = 0o640
_T = TypeVar("_T")


class Store:
    """The deployments of one state folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock_file = root / "lock"
        self.known_hosts = root / "known_hosts"
        self.served = ServedRequests(root / "served.json")
        self._folders = StateFolders(root, self.served)
        self.deployments = self._folders.deployments
        self.canary = self._folders.canary
        self.prepare, self.ensure = self._folders.prepare, self._folders.ensure
        self._writing = threading.Lock()  # durable writes are made in a thread, progress is written beside them
        self._saves = 0

    # --- which deployments there are

    def folder(self, identifier: str) -> Path:
        """Return the folder of a deployment."""
        return self.deployments / identifier

    def ids(self) -> list[str]:
        """Return the ids of all deployments, oldest first: the counter orders them, whatever the clock did."""
        try:
            names = [entry.name for entry in os.scandir(self.deployments) if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        return sorted((name for name in names if _ID.fullmatch(name)), key=lambda name: (_counter(name), name))

    def is_recorded(self, identifier: str) -> bool:
        """Return whether the folder of a deployment is there."""
        return self.folder(identifier).is_dir()

    def is_latest(self, identifier: str) -> bool:
        """Return whether no deployment is there that began later than this one, whose folder may be gone."""
        return all(_counter(other) <= _counter(identifier) for other in self.ids())

    def unanswered(self) -> list[str]:
        """Return the ids of the deployments that an earlier daemon left unfinished, oldest first."""
        begun = [identifier for identifier in self.ids() if report_file.is_begun(self.folder(identifier))]
        return [identifier for identifier in begun if not self.is_answered(identifier)]

    def is_answered(self, identifier: str) -> bool:
        """Return whether nothing is left to do for a deployment."""
        return (self.folder(identifier) / _ANSWERED).exists()

    # --- one deployment, from its folder to its answer

    def begin(self) -> str:
        """Make the folder of a new deployment and return its id, e.g. 20261123T212455Z.0001. Raises OSError."""
        known = [*self.ids(), *(entry.id for entry in self.served.entries)]  # one whose folder is gone counts, too
        number = max(map(_counter, known), default=0) + 1
        identifier = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.{number:04d}"
        with crash_point(CrashPoint.FOLDER_MADE):
            try:
                make_folder(self.folder(identifier))
            except FileNotFoundError:
                self._folders.make_again()
                make_folder(self.folder(identifier))
        return identifier

    def save(self, report: Report) -> None:
        """Write the report durably. Raises OSError."""
        with self._writing:
            self._saves += 1
            self._in_its_folder(report.id, lambda folder: report_file.write_report(folder, report))

    def progress(self, identifier: str) -> "ReportDraft":
        """Return a draft for the running report, to be written piece by piece. Raises OSError."""
        saves = self._saves
        draft = self._in_its_folder(identifier, report_file.progress_draft)
        return ReportDraft(draft, self._writing, lambda: self._saves == saves)

    def _in_its_folder(self, identifier: str, work: Callable[[Path], _T]) -> _T:
        """Work in a deployment's folder, which is made again where somebody has removed it."""
        try:
            return work(self.folder(identifier))
        except FileNotFoundError:
            self._folders.make_deployment_again(identifier)
            return work(self.folder(identifier))

    def load(self, identifier: str) -> Report:
        """Read a report. Raises StateUnreadableError, also for a schema that is not ours."""
        return report_file.read_report(self.folder(identifier))

    def latest(self) -> Report | None:
        """Return the latest readable report, None where there is none."""
        for identifier in reversed(self.ids()):
            try:
                return self.load(identifier)
            except StateUnreadableError:
                continue
        return None

    def snapshot(self, identifier: str, files: Mapping[str, bytes]) -> Path:
        """Write the node files of a deployment, durable with one sync for all, and return their folder.

        `files` has the content of each by its name. Raises OSError.
        """
        folder = self.folder(identifier) / "nodes"
        with crash_point(CrashPoint.SNAPSHOT_TAKEN):
            if folder.exists():
                shutil.rmtree(folder)
            make_folder(folder)
            write_all(folder, files, _SNAPSHOT_MODE)
        return folder

    def mark_answered(self, identifier: str) -> None:
        """Write down that the answer is out and the request is gone: both are durable before. Raises OSError.

        The mark itself is durable before the request is forgotten and before a request that was set aside is removed:
        a file that is linked in again later is then never taken for the one that was answered.
        """
        with crash_point(CrashPoint.MARKED_ANSWERED):
            write_new(self.folder(identifier) / _ANSWERED, b"", 0o644, durable=False)
            sync_folder(self.folder(identifier))


class ReportDraft:
    """The running report, while it is written piece by piece. A report that is saved meanwhile wins."""

    def __init__(self, draft: SlowDraft, writing: threading.Lock, is_newest: Callable[[], bool]) -> None:
        """`writing` is held by who saves a report; `is_newest`: none was saved since the draft was begun."""
        self._draft = draft
        self._writing = writing
        self._is_newest = is_newest
        self.write, self.close = draft.write, draft.close

    def put_in_place(self) -> None:
        """Make it the report that readers see, unless there is a newer one. Raises OSError."""
        with self._writing:
            if self._is_newest():
                self._draft.put_in_place()


def _counter(identifier: str) -> int:
    match = _ID.fullmatch(identifier)
    return int(match[1]) if match else 0
