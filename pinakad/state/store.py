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

import errno
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from pinakad.events import Event, fields
from pinakad.linux.files import (
    NotRegularError,
    link_new,
    make_folder,
    read_regular,
    replace,
    sync_file_system,
    sync_folder,
    write_all,
    write_new,
    write_whole,
)
from pinakad.problems import cause_of, printable
from pinakad.report.document import Report, digest_of, is_digest
from pinakad.state.crash_points import CrashPoint, crash_point
from pinakad.state.served import ServedRequests

log = logging.getLogger(__name__)

_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z\.([0-9]{4,})")
_TRASH = ".trash-"
_MAX_REPORT_BYTES = 1 << 30
_MAX_RECORD_BYTES = 1 << 16  # of the small files beside a report
_READY_COMMAND = "ready_command"
SNAPSHOT_MODE = 0o640


class StateUnreadableError(Exception):
    """A report is there and cannot be read, or is of a schema that is not ours."""


class Store:
    """The deployments of one state folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.deployments = root / "deployments"
        self.lock_file = root / "lock"
        self.known_hosts = root / "known_hosts"
        self.canary = root / "canary"
        self.served = ServedRequests(root / "served.json")
        self._writing = threading.Lock()  # durable writes are made in a thread, progress is written beside them

    def prepare(self) -> None:
        """Make what is missing inside the state folder, and remove what an earlier daemon was removing.

        What that daemon wrote last is durable at the return: what is read from now on, a power cut does not take back.
        Raises OSError where it cannot be written.
        """
        for folder in (self.deployments, self.canary):
            if folder.is_symlink():
                raise OSError(errno.ELOOP, "it is a link, and the folder must be here", str(folder))
            if not folder.is_dir():
                make_folder(folder)
        self.served.load()
        sync_file_system(self.root)
        for entry in os.scandir(self.deployments):
            if entry.name.startswith(_TRASH):
                shutil.rmtree(entry.path, ignore_errors=True)

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

    def is_latest(self, identifier: str) -> bool:
        """Tell whether no deployment is there that began later than this one, whose folder may be gone."""
        return all(_counter(other) <= _counter(identifier) for other in self.ids())

    def unanswered(self) -> list[str]:
        """Return the ids of the deployments that an earlier daemon left unfinished, oldest first.

        A folder without any report is one that could not even be begun: it is removed.
        """
        left = []
        for identifier in self.ids():
            names = {entry.name for entry in os.scandir(self.folder(identifier))}
            if not names & {"report.json", "report.durable.json", "started"}:
                self.drop(identifier)
            elif "answered" not in names:
                left.append(identifier)
        return left

    def latest(self) -> Report | None:
        """Return the latest readable report, None where there is none."""
        for identifier in reversed(self.ids()):
            try:
                return self.load(identifier)
            except StateUnreadableError:
                continue
        return None

    def begin(self) -> str:
        """Make the folder of a new deployment and return its id, e.g. 20261123T212455Z.0001."""
        known = [*self.ids(), *(entry.id for entry in self.served.entries)]  # one whose folder is gone counts, too
        number = max(map(_counter, known), default=0) + 1
        identifier = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.{number:04d}"
        with crash_point(CrashPoint.FOLDER_MADE):
            try:
                make_folder(self.folder(identifier))
            except FileNotFoundError:
                self._make_all_again()
                make_folder(self.folder(identifier))
        return identifier

    def drop(self, identifier: str) -> None:
        """Remove a deployment that could not even be begun."""
        self._remove([identifier])

    def _remove(self, identifiers: Iterable[str]) -> None:
        """Remove deployments: durably renamed first, then emptied. What cannot be removed stays whole.

        However it is cut, an id has its whole folder or none: a part of it (`started` without a report) would be
        taken for a run whose state is lost.
        """
        trash = []
        for identifier in identifiers:
            with suppress(OSError):
                place = self.deployments / f"{_TRASH}{identifier}"
                shutil.rmtree(place, ignore_errors=True)
                trash.append(self.folder(identifier).rename(place))
        if trash:
            with suppress(OSError):
                sync_folder(self.deployments)
                for place in trash:
                    shutil.rmtree(place, ignore_errors=True)

    def save(self, report: Report, *, durable: bool) -> None:
        """Write the report: durable at a change of phase, otherwise without waiting for the disk. Raises OSError."""
        with self._writing:
            try:
                self._save(report, durable=durable)
            except FileNotFoundError:
                self._make_again(report.id)
                self._save(report, durable=durable)

    def _make_again(self, identifier: str) -> None:
        """Somebody has removed the folder of the running deployment, or all that is ours: what runs goes on."""
        self._make_all_again()
        self.folder(identifier).mkdir(mode=0o755, exist_ok=True)
        text = "the record of the running deployment %s was removed by somebody else; it is made again"
        log.error(text, identifier, extra=fields(Event.STORAGE, deployment_id=identifier))
        sync_folder(self.deployments)

    def make_sure(self) -> None:
        """Make the folders again that somebody has removed. Raises OSError."""
        if self.deployments.is_dir() and self.canary.is_dir():
            return
        self._make_all_again()
        text = "what was in the state folder '%s' was removed by somebody else; the folders are made again"
        log.error(text, self.root, extra=fields(Event.STORAGE))

    def _make_all_again(self) -> None:
        """Somebody may have removed all that is ours: requests are taken all the same."""
        for folder in (self.root, self.deployments, self.canary):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not self.served.path.exists():
            self.served.write_again()
        sync_folder(self.root)

    def is_recorded(self, identifier: str) -> bool:
        """Tell whether the folder of a deployment is there."""
        return self.folder(identifier).is_dir()

    def _save(self, report: Report, *, durable: bool) -> None:
        path, data = self.folder(report.id) / "report.json", report.json_text()
        if not durable:
            write_whole(path, data, durable=False)
            return
        with crash_point(CrashPoint(f"saved {report.phase}")):
            self._save_durably(report, path, data)

    def _save_durably(self, report: Report, path: Path, data: bytes) -> None:
        folder = path.parent
        aside, twin = folder / ".report.json.new", folder / ".report.durable.json.new"
        write_new(aside, data, 0o644, durable=True)
        link_new(aside, twin)
        replace(twin, folder / "report.durable.json")  # at no moment is there none
        replace(aside, path)
        sync_folder(folder)
        if report.phase == "validating":
            sync_folder(self.deployments)

    def keep_ready_command(self, identifier: str, command: str) -> None:
        """Keep, for us alone, the command that a run asks nodes with: durable before a report names its digest."""
        write_whole(self.folder(identifier) / _READY_COMMAND, command.encode(), 0o600, durable=True)

    def ready_command(self, report: Report) -> str | None:
        """Return the command that a run asks nodes with, empty for none; None where it is not to be read any more."""
        named = report.policy.poll.ready_command
        if not is_digest(named):  # there is none, or an earlier version wrote it into the report
            return named
        try:
            raw = read_regular(self.folder(report.id) / _READY_COMMAND, _MAX_RECORD_BYTES)
        except (OSError, NotRegularError):
            return None
        command = raw.decode("utf-8", "replace")
        return command if digest_of(command) == named else None

    def load(self, identifier: str) -> Report:
        """Read a report. Raises StateUnreadableError, also for a schema that is not ours."""
        cause = ""
        for name in ("report.json", "report.durable.json"):
            try:
                return Report.model_validate_json(read_regular(self.folder(identifier) / name, _MAX_REPORT_BYTES))
            except (OSError, ValueError, NotRegularError) as error:  # pydantic's errors are ValueErrors
                cause = cause or _cause(error)
        raise StateUnreadableError(f"cannot read '{self.folder(identifier) / 'report.json'}': {cause}")

    def snapshot(self, identifier: str, files: Mapping[str, bytes]) -> Path:
        """Write the node files of a deployment, durable with one sync for all, and return their folder."""
        folder = self.folder(identifier) / "nodes"
        with crash_point(CrashPoint.SNAPSHOT_TAKEN):
            if folder.exists():
                shutil.rmtree(folder)
            make_folder(folder)
            write_all(folder, files, SNAPSHOT_MODE)
        return folder

    def is_answered(self, identifier: str) -> bool:
        """Tell whether nothing is left to do for a deployment."""
        return (self.folder(identifier) / "answered").exists()

    def mark_answered(self, identifier: str) -> None:
        """Write down that the answer is out and the request is gone: both are durable before.

        Durable itself before the request is forgotten and before one that was set aside goes: a file that is linked in
        again later is then never taken for the one that was answered.
        """
        with crash_point(CrashPoint.MARKED_ANSWERED):
            write_new(self.folder(identifier) / "answered", b"", 0o644, durable=False)
            sync_folder(self.folder(identifier))

    def prune(self, keep: int, spare: Collection[str] = ()) -> None:
        """Remove old deployments; never the latest, nor one that is not answered, nor those in `spare`."""
        answered = (identifier for identifier in self.ids()[:-keep] if self.is_answered(identifier))
        old = [identifier for identifier in answered if identifier not in spare]
        self._remove(old)
        if old:
            log.debug("removed the old deployments %s", ", ".join(old))


def warn_unwritable(what: str, error: OSError) -> None:
    """Log once what cannot be written now."""
    text = "cannot write %s: %s; it is tried again"
    log.error(text, what, cause_of(error), extra=fields(Event.STORAGE))


def _counter(identifier: str) -> int:
    match = _ID.fullmatch(identifier)
    return int(match[1]) if match else 0


def _cause(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return printable(f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}")
    if isinstance(error, OSError):
        return cause_of(error)
    return printable(str(error))
