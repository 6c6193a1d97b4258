"""How did the deployment end that is meant? Whoever waits looks at files, and so outlives the daemon's restarts.

The law: what is waited for is chosen once (a `DeploymentRef`); from then on only a finished report of that one
deployment is its verdict. A look costs two calls of stat(2) as long as nothing changes.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pinakad.client.errors import (
    NoDaemonError,
    NoMarkersError,
    NoReadError,
    NothingToFollowError,
    RequestRemovedError,
    TimedOutError,
)
from pinakad.client.lookup import load
from pinakad.linux.locks import is_locked
from pinakad.markers.folder import Markers
from pinakad.markers.request import Identity, Request
from pinakad.report.document import Report
from pinakad.report.wording import duration_text
from pinakad.state.store import StateUnreadableError, Store

GRACE_S = 10.0
"""A daemon that is restarted, or upgraded, is back by then."""
LOOK_S = 0.2
_TELL_S = 1.0
_REMOVED_S = 3.0
_ANSWER_S = 5.0
"""The verdict is durable first, then the answer is put out: whoever reads it after us should find it."""


class DeploymentRef(Protocol):
    """Which deployment is meant, although it may not have begun."""

    def find(self, store: Store) -> str | None:
        """Return its id, None while there is none."""


@dataclass(frozen=True)
class Exactly:
    """The deployment of this id."""

    identifier: str

    def find(self, store: Store) -> str | None:  # noqa: ARG002 - it is known already
        """Return the id."""
        return self.identifier


@dataclass(frozen=True)
class NextAfter:
    """The first deployment after the one of this id, or the very first one."""

    identifier: str | None

    def find(self, store: Store) -> str | None:
        """Return the first id that came later."""
        return next(iter(newer(store, self.identifier)), None)


@dataclass
class Serving:
    """Whichever deployment serves the request with this id; it was made after the deployment `after` had begun.

    Somebody else may write over the request: then the first later deployment that has all its nodes serves it too.
    """

    markers: Markers
    request_id: str
    nodes: Sequence[str] | None
    after: str | None
    _known: dict[str, tuple[str | None, list[str] | None]] = field(default_factory=dict)

    def find(self, store: Store) -> str | None:
        """Return the id of the one that says so, or of one that must be it."""
        waits = self._is_asked()  # looked at first: the report is there before the request goes
        later = newer(store, self.after)
        told = [(identifier, *self._request(store, identifier)) for identifier in later]
        for identifier, request_id, _ in told:
            if carries(request_id, self.request_id):
                return identifier
        if waits:
            return None
        return next((identifier for identifier, _, nodes in told if self._covered_by(nodes)), None)

    def _is_asked(self) -> bool:
        try:
            found = self.markers.read()
        except OSError:
            return True
        return found is not None and found.document is not None and carries(found.document.request_id, self.request_id)

    def _request(self, store: Store, identifier: str) -> tuple[str | None, list[str] | None]:
        if identifier not in self._known:
            try:
                part = store.load(identifier).request
            except StateUnreadableError:
                return None, []
            self._known[identifier] = (part.id, part.nodes)
        return self._known[identifier]

    def _covered_by(self, nodes: list[str] | None) -> bool:
        return nodes is None or (self.nodes is not None and set(self.nodes) <= set(nodes))


def carries(told: str | None, request_id: str) -> bool:
    """Tell whether a request's id is this one, or several that became one request and have this one among them."""
    return told is not None and f" {request_id} " in f" {told} "


def newer(store: Store, identifier: str | None) -> list[str]:
    """Return the ids of the deployments after the one of this id, oldest first. Raises NoReadError."""
    known = ids(store)
    return known[known.index(identifier) + 1 :] if identifier in known else known


def ids(store: Store) -> list[str]:
    """Return all ids, oldest first. Raises NoReadError."""
    try:
        return store.ids()
    except OSError as error:
        raise NoReadError(store.root, error) from error


def latest(store: Store) -> Report | None:
    """Return the latest readable report, None where there is none. Raises NoReadError."""
    try:
        return store.latest()
    except OSError as error:
        raise NoReadError(store.root, error) from error


def ref_to_latest(store: Store, markers: Markers) -> DeploymentRef:
    """Return what is meant by "the deployment": what is asked for but not served yet, else the latest one.

    Raises NothingToFollowError where there is neither.
    """
    before = latest(store)
    if (
        unserved(store, markers) is not None
    ):  # its folder may be there before its report is: what is after the latest readable one serves it
        return NextAfter(before.id if before else None)
    last = latest(store)  # a request may have been taken meanwhile
    if last is None:
        raise NothingToFollowError("there is nothing to wait for: no deployment, and no request")
    return Exactly(last.id)


def unserved(store: Store, markers: Markers) -> Request | None:
    """Return the request that is there, unless it is one that is served, or was and could not be removed yet."""
    try:
        found = markers.read()
    except OSError as error:
        raise NoMarkersError(markers.folder, error) from error
    return None if found is None or is_served(store, found) else found


def is_served(store: Store, found: Request) -> bool:
    """Tell whether a request that stands there was taken. Raises NoReadError.

    A file that is linked in again has the identity of the last request, and is a new one: the last is out of the way.
    """
    try:
        store.served.load()
    except OSError as error:
        raise NoReadError(store.root, error) from error
    entry = store.served.serving(found.part())
    if entry is not None:
        return not store.is_answered(entry.id)
    last = latest(store)
    known = last is not None and store.served.of(last.id) is not None  # and its request is gone
    same = last is not None and Identity.of(last.request) == found.identity
    return last is not None and same and not known and not store.is_answered(last.id)


class Follower:
    """Follows one aim. `tell` is called with its report, None before there is one."""

    def __init__(
        self, store: Store, markers: Markers, ref: DeploymentRef, tell: Callable[[Report | None], None]
    ) -> None:
        self._store, self._markers, self._ref, self._tell = store, markers, ref, tell
        self._identifier: str | None = None
        self._report: Report | None = None
        self._seen: tuple[int, ...] = ()
        self._alive_s = self._asked_s = time.monotonic()
        self._over_s: float | None = None
        self._told_s = 0.0

    def follow(self, limit_s: float | None) -> Report:
        """Return the finished report. Raises TimedOutError, NoDaemonError, RequestRemovedError and what a
        reading of the state folder raises.
        """
        began_s = time.monotonic()
        while True:
            self._look()
            now_s = time.monotonic()
            self._tell_on(now_s)
            if self._report is not None and self._is_over(self._report, now_s):
                return self._report
            self._require_hope(now_s)
            left_s = LOOK_S if limit_s is None else began_s + limit_s - now_s
            if left_s <= 0:
                raise TimedOutError(self._late_text(limit_s or 0.0))
            time.sleep(min(LOOK_S, left_s))

    def _look(self) -> None:
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
            self._told_s = 0.0

    def _tell_on(self, now_s: float) -> None:
        """Tell what is new at once, and otherwise that time goes by."""
        if now_s - self._told_s >= _TELL_S:
            self._told_s = now_s
            self._tell(self._report)

    def _is_over(self, report: Report, now_s: float) -> bool:
        if not report.is_finished:
            return False
        self._over_s = self._over_s or now_s
        return self._store.is_answered(report.id) or now_s - self._over_s > _ANSWER_S or not self._runs()

    def _require_hope(self, now_s: float) -> None:
        if self._runs():
            self._alive_s = now_s
        elif now_s - self._alive_s > GRACE_S:
            text = f"no daemon has run for {GRACE_S:g} s, so nobody gives a verdict"
            raise NoDaemonError(text)
        if self._identifier is not None or self._is_requested():
            self._asked_s = now_s
        elif now_s - self._asked_s > _REMOVED_S:
            raise RequestRemovedError(
                "there is nothing to wait for any more: the request was removed before it was served"
            )

    def _is_requested(self) -> bool:
        try:
            return self._markers.is_requested()
        except OSError:
            return True  # the folder may come back, and the daemon waits for it too

    def _runs(self) -> bool:
        return is_locked(self._store.lock_file)

    def _late_text(self, limit_s: float) -> str:
        what = f"deployment {self._identifier}" if self._identifier else "the request"
        phase = f"; it is {self._report.phase}" if self._report else "; it is not served yet"
        return f"{what} is not over after {duration_text(limit_s)}{phase}"
