"""Ask for a deployment, so that no request is lost and none is served twice. How it gets into its place: placing.py."""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pinakad.client.errors import NoWriteError, UnsoundRequestError
from pinakad.client.lookup import latest
from pinakad.client.pending import unserved
from pinakad.client.placing import MODE, Placing
from pinakad.client.refs import Serving
from pinakad.linux.locks import is_locked
from pinakad.linux.open_folder import OpenFolder
from pinakad.markers.folder import Markers
from pinakad.markers.names import OURS, REQUEST
from pinakad.markers.request import Request
from pinakad.report.request import RequestDocument
from pinakad.report.vocabulary import Phase
from pinakad.state.store import Store

_CHECK_EVERY_S = 0.02
_TAKE_LIMIT_S = 12.0
"""A daemon that could take a request has done so by then, and has read the node files (10 s for a slow writer)."""


def new_request_id(who: str = "pinakactl") -> str:
    """Return an id for a request of ours, which says who asks."""
    return f"{who}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Submitted:
    """A request that was made: the deployment to follow, and whether the request was joined to one that waited."""

    ref: Serving
    joined: bool


class Submitter:
    """Makes requests in one marker folder, one at a time: the caller holds the lock of the nodes folder."""

    def __init__(self, store: Store, markers: Markers, place: OpenFolder) -> None:
        """`place` is the marker folder, open: everything is written there."""
        self._store, self._markers, self._place = store, markers, place
        self._draft = f"{OURS}asking-{secrets.token_hex(4)}"

    def require_writable(self) -> None:
        """Check that a request could be made now, before anything is stored for it.

        Raises NoWriteError and UnsoundRequestError.
        """
        try:
            self._place.create(self._draft, b"", MODE, durable=False)
            self._place.remove(self._draft)
        except OSError as error:
            raise NoWriteError(self._markers.folder, error) from error
        waiting = self.unserved()
        if waiting is not None and waiting.document is None:
            place = self._markers.folder / REQUEST
            cause = waiting.problems[0].message if waiting.problems else "it cannot be read"
            raise UnsoundRequestError(place, cause)

    def unserved(self) -> Request | None:
        """Return the request that waits to be served, if there is one. Raises NoMarkersError and NoReadError."""
        return unserved(self._store, self._markers)

    def wait_until_taken(self) -> None:
        """Wait while the daemon is about to take a request, or reads the node files for one.

        A node file that is stored meanwhile could supersede one that the request names, and the request would fail.
        """
        ends_s = time.monotonic() + _TAKE_LIMIT_S
        while self._is_about_to_read() and time.monotonic() < ends_s:
            time.sleep(_CHECK_EVERY_S)

    def _is_about_to_read(self) -> bool:
        if not is_locked(self._store.lock_file):
            return False
        running = latest(self._store)
        if running is not None and not running.is_finished:
            return running.phase is Phase.VALIDATING
        return self.unserved() is not None

    def submit(self, nodes: list[str] | None, request_id: str, successor: Callable[[str], str]) -> Submitted:
        """Make a request for these node files (None: all) with this id.

        `successor` returns the file that counts in a file's place. Raises NoWriteError, BusyMarkersError, NoReadError
        and NoMarkersError.
        """
        before = latest(self._store)
        after = before.id if before else None
        placing = Placing(self._store, self._markers, self._place, self._draft, after, successor)
        try:
            placing.place(RequestDocument(nodes=nodes, request_id=request_id), request_id)
            self._place.sync()
        except OSError as error:
            raise NoWriteError(self._markers.folder, error) from error
        finally:
            with suppress(OSError):
                self._place.remove(self._draft)
        return Submitted(Serving(self._markers, placing.followed, nodes, after), placing.joined)
