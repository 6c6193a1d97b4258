"""How is a deployment asked for, so that no request is lost and none is served twice?

The law: a request appears whole. One that waits to be served is never replaced by one that asks for less: the two
become one. What is taken out of its place is looked at before it is removed.
"""

import errno
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from pinakad.client.errors import BusyMarkersError, NoWriteError, UnsoundRequestError
from pinakad.client.follow import Serving, carries, is_served, latest, newer, unserved
from pinakad.linux.locks import is_locked
from pinakad.linux.open_folder import OpenFolder
from pinakad.markers.folder import Markers
from pinakad.markers.names import OURS, REQUEST
from pinakad.markers.request import Identity, Request, read_request
from pinakad.report.request import MAX_REQUEST_ID, RequestDocument
from pinakad.report.vocabulary import Phase
from pinakad.state.store import StateUnreadableError, Store

_MODE = 0o664  # whoever may make a request may also touch one
_TRIES = 100
_LOOK_S = 0.02
_TAKE_LIMIT_S = 12.0
"""A daemon that could take a request has done so by then, and has read the node files (10 s for a slow writer)."""
_NOTICE_LIMIT_S = 1.0


def new_request_id() -> str:
    """Return an id for a request of ours."""
    return f"pinakactl-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Asked:
    """A request that was made: what to follow, and whether it became one with another that was not served yet."""

    ref: Serving
    joined: bool


class Submitter:
    """Makes requests in one marker folder. Of ours one at a time: the caller holds the lock of the nodes folder."""

    def __init__(self, store: Store, markers: Markers, place: OpenFolder) -> None:
        """`place` is the marker folder, open: what is written is written there."""
        self._store, self._markers, self._place = store, markers, place
        self._draft = f"{OURS}asking-{secrets.token_hex(4)}"

    def require_place(self) -> None:
        """Check that a request could be made now, before anything is stored for it.

        Raises NoWriteError and UnsoundRequestError.
        """
        try:
            self._place.create(self._draft, b"", _MODE, durable=False)
            self._place.remove(self._draft)
        except OSError as error:
            raise NoWriteError(self._markers.folder, error) from error
        waiting = self.unserved()
        if waiting is not None and waiting.document is None:
            place = self._markers.folder / REQUEST
            cause = waiting.problems[0].message if waiting.problems else "it cannot be read"
            raise UnsoundRequestError(place, cause)

    def unserved(self) -> Request | None:
        """Return the request that waits to be served."""
        return unserved(self._store, self._markers)

    def let_it_be_taken(self) -> None:
        """Wait while the daemon is about to take a request, or reads the node files for one.

        What is stored now could supersede a file that it names, which would fail it.
        """
        ends_s = time.monotonic() + _TAKE_LIMIT_S
        while self._is_about_to_read() and time.monotonic() < ends_s:
            time.sleep(_LOOK_S)

    def _is_about_to_read(self) -> bool:
        if not is_locked(self._store.lock_file):
            return False
        running = latest(self._store)
        if running is not None and not running.is_finished:
            return running.phase is Phase.VALIDATING
        return self.unserved() is not None

    def ask(self, nodes: list[str] | None, request_id: str, successor: Callable[[str], str]) -> Asked:
        """Make a request for these node files, None for all. `successor`: the file that counts in a file's place."""
        before = latest(self._store)
        after = before.id if before else None
        placing = _Placing(self._store, self._markers, self._place, self._draft, after, successor)
        try:
            placing.place(RequestDocument(nodes=nodes, request_id=request_id), request_id)
            self._place.sync()
        except OSError as error:
            raise NoWriteError(self._markers.folder, error) from error
        finally:
            with suppress(OSError):
                self._place.remove(self._draft)
        return Asked(Serving(self._markers, placing.followed, nodes, after), placing.joined)


class _Placing:
    """Puts one request into its place, whatever others do there meanwhile."""

    def __init__(
        self,
        store: Store,
        markers: Markers,
        place: OpenFolder,
        draft: str,
        after: str | None,
        successor: Callable[[str], str],
    ) -> None:
        self.followed, self.joined = "", False
        self._store, self._markers = store, markers
        self._place, self._draft = place, draft
        self._after, self._successor = after, successor
        self._both: Identity | None = None

    def place(self, mine: RequestDocument, request_id: str) -> None:
        """Do it. Raises OSError where the folder cannot be written, BusyMarkersError where others never stop."""
        wanted = mine
        for _ in range(_TRIES):
            standing = self._markers.read()
            if self._both is not None and (standing is None or not self._waits(standing, self._both)):
                return  # the two that became one were served as one
            waiting = standing if standing is not None and self._waits(standing) and self._both is None else None
            document = wanted if waiting is None else _united(waiting.document, wanted, self._successor)
            written = self._write(document)
            if not self._put(over=standing is not None):
                continue
            self._note(document, request_id, is_mine=wanted is mine, joined=waiting is not None)
            newer_one = self._came_out(standing)
            if newer_one is not None:
                wanted, self._both = newer_one, None
            elif waiting is None or not self._was_taken(waiting.identity, written):
                return
            else:
                self._both = written  # what we joined runs already: ours is to follow it alone
        raise BusyMarkersError(self._markers.folder / REQUEST)

    def _waits(self, standing: Request, only: Identity | None = None) -> bool:
        """Tell whether what stands there is still to be served."""
        if only is not None and standing.identity != only:
            return False
        return not is_served(self._store, standing)

    def _write(self, document: RequestDocument) -> Identity | None:
        text = json.dumps(document.model_dump(exclude_none=True))
        self._place.remove(self._draft)
        self._place.create(self._draft, text.encode() + b"\n", _MODE, durable=True)
        found = read_request(self._place.here / self._draft)
        return found.identity if found else None

    def _put(self, *, over: bool) -> bool:
        """Put the draft into its place, and what stood there into the draft's. Tell whether it was as it seemed."""
        try:
            if not over:
                self._place.link_or_move(self._draft, self._place, REQUEST)
            else:
                self._swap()
        except (FileNotFoundError, FileExistsError):
            return False
        return True

    def _swap(self) -> None:
        try:
            self._place.exchange(self._draft, REQUEST)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
                raise
            self._place.replace(REQUEST, self._draft)  # a file system that cannot do it, such as NFS

    def _note(self, document: RequestDocument, request_id: str, *, is_mine: bool, joined: bool) -> None:
        if carries(document.request_id, request_id):
            self.followed = request_id
        elif is_mine:
            self.followed = document.request_id or request_id
        self.joined |= joined and is_mine

    def _came_out(self, standing: Request | None) -> RequestDocument | None:
        """Return what was in the place, where somebody was quicker than we: it must not get lost."""
        out = read_request(self._place.here / self._draft)
        if out is None or standing is None or out.identity == standing.identity:
            return None
        return out.document

    def _was_taken(self, joined: Identity, written: Identity | None) -> bool:
        """Tell whether the daemon had taken the one that we joined, and serves it alone."""
        ends_s = time.monotonic() + _NOTICE_LIMIT_S
        while is_locked(self._store.lock_file) and time.monotonic() < ends_s:
            taken = set(self._taken())
            if joined in taken:
                return True
            last = latest(self._store)
            if written in taken or (last is not None and not last.is_finished):
                return False
            time.sleep(_LOOK_S)
        return False

    def _taken(self) -> Iterator[Identity]:
        for identifier in newer(self._store, self._after):
            with suppress(StateUnreadableError):
                yield Identity.of(self._store.load(identifier).request)


def _united(
    waiting: RequestDocument | None, wanted: RequestDocument, successor: Callable[[str], str]
) -> RequestDocument:
    """Return the request that asks for all that both ask for. The ids of both stand in it, if there is room."""
    if waiting is None:  # unsound: it would have been answered so; now nobody asks for it any more
        return wanted
    told = [text for text in (waiting.request_id, wanted.request_id) if text]
    both = " ".join(dict.fromkeys(told))
    request_id = both if len(both) <= MAX_REQUEST_ID else waiting.request_id
    if waiting.nodes is None or wanted.nodes is None:
        return RequestDocument(nodes=None, request_id=request_id)
    names = [successor(name) for name in (*waiting.nodes, *wanted.nodes)]
    return RequestDocument(nodes=list(dict.fromkeys(names)), request_id=request_id)
