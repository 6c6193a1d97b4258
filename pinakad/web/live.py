"""What is going on now: the running or latest deployment, as the daemon's file or the state folder has it.

status.json is written in pieces with a line of its own for each value, so that the text of a node that has not changed
is the same as before: with 10,000 nodes only those that changed are parsed.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pinakad.client.daemon_view import schedule_of
from pinakad.client.errors import ClientError
from pinakad.client.pending import unserved
from pinakad.config import Config
from pinakad.linux.clock import boot_id, now
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.linux.locks import is_locked
from pinakad.markers.folder import Markers
from pinakad.markers.names import CANCEL
from pinakad.report.document import DaemonPart, Report, Status
from pinakad.report.node import NodeReport
from pinakad.report.overview import Overview
from pinakad.report.pieces import taken_apart
from pinakad.report.wording import status_line
from pinakad.script.output import LOG
from pinakad.state.store import Store
from pinakad.times import rfc3339

_MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Nodes:
    """The nodes of a deployment, and the text of each as it is in the file."""

    entries: list[bytes]
    nodes: list[NodeReport]

    @classmethod
    def of(cls, entries: list[bytes], before: "Nodes | None" = None) -> Self:
        """Parse the entries; those that are as before are not parsed again. Raises ValidationError."""
        if before is None or len(before.entries) != len(entries):
            return cls(entries, [NodeReport.model_validate_json(entry) for entry in entries])
        pairs = zip(entries, before.entries, before.nodes, strict=True)
        return cls(entries, [node if new == old else NodeReport.model_validate_json(new) for new, old, node in pairs])

    def changed_since(self, before: "Nodes") -> list[int]:
        """Return the indexes of the nodes that are not the same objects as before."""
        pairs = zip(self.nodes, before.nodes, strict=True)
        return [index for index, (new, old) in enumerate(pairs) if new is not old]


@dataclass(frozen=True)
class View:
    """What there is to see at one moment. `report` has no nodes, they are in `nodes`."""

    running: bool
    daemon: DaemonPart | None
    report: Report | None
    nodes: Nodes
    overview: Overview


NOTHING = View(running=False, daemon=None, report=None, nodes=Nodes([], []), overview=Overview())


class Live:
    """Reads what is going on, again and again. Every method may block: it is for a thread."""

    def __init__(self, settings: Config, store: Store, runtime_dir: Path) -> None:
        self.store, self.markers = store, Markers(settings.markers_dir)
        self._path = runtime_dir / "status.json"
        self._seen: tuple[object, ...] = ()
        self._view = NOTHING

    def read(self) -> View:
        """Return the present view: the same object while nothing has changed."""
        running = is_locked(self.store.lock_file)
        stamp = _stamp(self._path) if running else None
        seen = (running, stamp) if stamp else (running, *self._latest_stamp())
        if seen != self._seen:
            view = self._of_daemon() if running else None
            self._view = view or self._of_state(running=running)
            self._seen = seen
        return self._view

    def _of_daemon(self) -> View | None:
        """Return what the daemon shows, None where it shows nothing that can be read."""
        try:
            head, entries = taken_apart(read_regular(self._path, _MAX_BYTES), 2)
            status = Status.model_validate_json(head)
            return self._seen_as(status.deployment, entries, status.daemon, running=True)
        except (OSError, NotRegularError, ValueError):  # pydantic's error is a ValueError
            return None

    def _of_state(self, *, running: bool) -> View:
        for identifier in reversed(self.store.ids()):
            try:
                head, entries = taken_apart(read_report(self.store, identifier), 1)
                return self._seen_as(Report.model_validate_json(head), entries, None, running=running)
            except (OSError, NotRegularError, ValueError):
                continue
        return View(running, None, None, Nodes([], []), Overview())

    def _seen_as(
        self, report: Report | None, entries: list[bytes], daemon: DaemonPart | None, *, running: bool
    ) -> View:
        before = self._view
        is_same = report is not None and before.report is not None and before.report.id == report.id
        nodes = Nodes.of(entries, before.nodes if is_same else None)
        return View(running, daemon, report, nodes, Overview(nodes.nodes))

    def _latest_stamp(self) -> tuple[object, ...]:
        for identifier in reversed(self.store.ids()):
            found = _stamp(self.store.folder(identifier) / "report.json")
            if found is not None:
                return identifier, found
        return ()

    # --- the documents

    def status(self, view: View) -> dict[str, Any]:
        """Return the daemon's part of the status document."""
        moment = now()
        schedule = schedule_of(view.report, boot_id(), moment) if view.report else None
        line = status_line(view.report, view.overview.slowest, schedule, moment.boot_s, moment.wall_s)
        return {
            "schema": 1,
            "as_of": rfc3339(moment.wall_s),
            "running": view.running,
            "line": line,
            "daemon": view.daemon and view.daemon.model_dump(mode="json"),
            "waiting": self._waiting(),
        }

    def deployment(self, view: View) -> dict[str, Any] | None:
        """Return the deployment's part of the status document."""
        if view.report is None:
            return None
        return summary_document(self.store, view.report, view.overview) | {"cancel_asked": self._is_cancelled(view)}

    def _waiting(self) -> dict[str, Any] | None:
        try:
            found = unserved(self.store, self.markers)
        except ClientError:
            return None
        if found is None:
            return None
        asked = found.document
        return {
            "requested_at": rfc3339(found.requested_wall_s),
            "request_id": asked.request_id if asked else None,
            "nodes": len(asked.nodes) if asked and asked.nodes else None,
        }

    def _is_cancelled(self, view: View) -> bool:
        if view.report is None or view.report.is_finished:
            return False
        return os.path.lexists(self.markers.folder / CANCEL)


def summary_document(store: Store, report: Report, overview: Overview) -> dict[str, Any]:
    """Return a deployment without its nodes, with what is counted over them."""
    document: dict[str, Any] = report.model_dump(mode="json", by_alias=True, exclude={"nodes"})
    reasons = dict(overview.reasons.most_common())
    extra = {"reasons": reasons, "schedule": _schedule(report), "cancel_asked": False}
    return document | extra | {"log_size": log_size(store, report.id)}


def read_report(store: Store, identifier: str) -> bytes:
    """Return the text of a report. Raises OSError and NotRegularError."""
    return read_regular(store.folder(identifier) / "report.json", _MAX_BYTES)


def log_size(store: Store, identifier: str) -> int | None:
    """Return how many bytes the script's output has, None where there is no such file."""
    try:
        return (store.folder(identifier) / LOG).lstat().st_size
    except OSError:
        return None


def _schedule(report: Report) -> dict[str, Any] | None:
    if report.is_finished:
        return None
    moment = now()
    schedule = schedule_of(report, boot_id(), moment)
    if schedule is None:
        return None
    ends_s = schedule.ends_s
    return {
        "begins_at": rfc3339(moment.wall_s + schedule.begins_s - moment.boot_s),
        "ends_at": None if ends_s is None else rfc3339(moment.wall_s + ends_s - moment.boot_s),
        "attempt": schedule.number(moment.boot_s),
        "attempts": schedule.attempts,
        "interval_s": schedule.interval_s,
    }


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def node_json(index: int, entry: bytes) -> bytes:
    """Return a node's entry on one line, with its place in the report."""
    return b'{"index":%d,' % index + entry.translate(None, b"\n")[1:].lstrip()
