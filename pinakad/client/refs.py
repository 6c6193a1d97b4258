"""Which deployment is meant, although it may not have begun?

A reference is chosen once; `find` then returns the id of the deployment as soon as there is one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pinakad.client.errors import NothingToFollowError
from pinakad.client.lookup import latest, newer_ids
from pinakad.client.pending import carries, unserved
from pinakad.markers.folder import Markers
from pinakad.state.store import StateUnreadableError, Store

_RequestPart = tuple[str | None, list[str] | None]
"""Of a report: the id of its request, and the node files that the request names (None: all)."""


class DeploymentRef(Protocol):
    """Which deployment is meant, although it may not have begun."""

    def find(self, store: Store) -> str | None:
        """Return the deployment's id, None while there is no such deployment. Raises NoReadError."""


@dataclass(frozen=True)
class Exactly:
    """The deployment of this id."""

    identifier: str

    def find(self, store: Store) -> str | None:  # noqa: ARG002 - the id is known already
        """Return the id."""
        return self.identifier


@dataclass(frozen=True)
class NextAfter:
    """The first deployment after the one of this id; for None the very first one."""

    identifier: str | None

    def find(self, store: Store) -> str | None:
        """Return the first later id. Raises NoReadError."""
        return next(iter(newer_ids(store, self.identifier)), None)


@dataclass
class Serving:
    """The deployment that serves the request with this id; the request was made after the deployment `after` began.

    Another producer may overwrite the request: then the first later deployment that has all its nodes serves it too.
    """

    markers: Markers
    request_id: str
    nodes: Sequence[str] | None
    after: str | None
    _known: dict[str, _RequestPart] = field(default_factory=dict)

    def find(self, store: Store) -> str | None:
        """Return the id of the deployment whose report names the request, or of one that must serve it.

        Raises NoReadError.
        """
        waits = self._is_requested()  # checked first: the report is there before the request is removed
        later = [(identifier, *self._request(store, identifier)) for identifier in newer_ids(store, self.after)]
        for identifier, ids, _ in later:
            if carries(ids, self.request_id):
                return identifier
        if waits:
            return None
        return next((identifier for identifier, _, nodes in later if self._covered_by(nodes)), None)

    def _is_requested(self) -> bool:
        try:
            found = self.markers.read()
        except OSError:
            return True
        return found is not None and found.document is not None and carries(found.document.request_id, self.request_id)

    def _request(self, store: Store, identifier: str) -> _RequestPart:
        if identifier not in self._known:
            try:
                part = store.load(identifier).request
            except StateUnreadableError:
                return None, []
            self._known[identifier] = (part.id, part.nodes)
        return self._known[identifier]

    def _covered_by(self, nodes: list[str] | None) -> bool:
        return nodes is None or (self.nodes is not None and set(self.nodes) <= set(nodes))


def ref_to_latest(store: Store, markers: Markers) -> DeploymentRef:
    """Return what "the deployment" means: the one that serves the waiting request, else the latest one.

    Raises NothingToFollowError where there is neither, NoMarkersError and NoReadError.
    """
    before = latest(store)
    # a deployment's folder may be there before its report is: the one after the latest readable report serves it
    if unserved(store, markers) is not None:
        return NextAfter(before.id if before else None)
    last = latest(store)  # a request may have been taken meanwhile
    if last is None:
        raise NothingToFollowError
    return Exactly(last.id)
