"""Put one request into its place in the marker folder, although others write there too.

The law: a request appears whole. One that waits to be served is never replaced by one that asks for less: the two are
joined to one. The file that a request replaces is read before it is removed.
"""

import errno
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from pinakad.client.errors import BusyMarkersError
from pinakad.client.lookup import latest, newer_ids
from pinakad.client.pending import carries, is_served
from pinakad.linux.locks import is_locked
from pinakad.linux.open_folder import OpenFolder
from pinakad.markers.folder import Markers
from pinakad.markers.names import REQUEST
from pinakad.markers.request import Identity, Request, read_request
from pinakad.report.request import MAX_REQUEST_ID, RequestDocument
from pinakad.state.store import StateUnreadableError, Store

MODE = 0o664
"""Every account that may make a request may also touch one."""
_TRIES = 100
_CHECK_EVERY_S = 0.02
_NOTICE_LIMIT_S = 1.0


class Placing:
    """Puts one request into its place. Afterwards `followed` is the request id to follow, and `joined` whether the
    request became one with another that waited.
    """

    def __init__(
        self,
        store: Store,
        markers: Markers,
        place: OpenFolder,
        draft: str,
        after: str | None,
        successor: Callable[[str], str],
    ) -> None:
        """`draft` is a name in `place` (the marker folder, open) that is ours; `after` the latest deployment's id."""
        self.followed, self.joined = "", False
        self._store, self._markers = store, markers
        self._place, self._draft = place, draft
        self._after, self._successor = after, successor
        self._both: Identity | None = None

    def place(self, mine: RequestDocument, request_id: str) -> None:
        """Put the request `mine` into its place.

        Raises OSError where the folder cannot be written, BusyMarkersError where others never stop, NoReadError and
        NoMarkersError.
        """
        wanted = mine
        for _ in range(_TRIES):
            present = self._markers.read()
            if self._both is not None and (present is None or not self._waits(present, self._both)):
                return  # the joined request was served as one
            waiting = present if present is not None and self._waits(present) and self._both is None else None
            document = wanted if waiting is None else _united(waiting.document, wanted, self._successor)
            written = self._write(document)
            if not self._put(over=present is not None):
                continue
            self._note(document, request_id, is_mine=wanted is mine, joined=waiting is not None)
            newer_one = self._came_out(present)
            if newer_one is not None:
                wanted, self._both = newer_one, None
            elif waiting is None or not self._was_taken(waiting.identity, written):
                return
            else:
                self._both = written  # the request that we joined runs already: ours must be served after it, alone
        raise BusyMarkersError(self._markers.folder / REQUEST)

    def _waits(self, present: Request, only: Identity | None = None) -> bool:
        """Return whether the request that is present is still to be served."""
        if only is not None and present.identity != only:
            return False
        return not is_served(self._store, present)

    def _write(self, document: RequestDocument) -> Identity | None:
        text = json.dumps(document.model_dump(exclude_none=True))
        self._place.remove(self._draft)
        self._place.create(self._draft, text.encode() + b"\n", MODE, durable=True)
        found = read_request(self._place.here / self._draft)
        return found.identity if found else None

    def _put(self, *, over: bool) -> bool:
        """Exchange the draft and the request. Return False where the place was not as it was read before."""
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
            self._place.replace(REQUEST, self._draft)  # a file system without an exchange, such as NFS

    def _note(self, document: RequestDocument, request_id: str, *, is_mine: bool, joined: bool) -> None:
        if carries(document.request_id, request_id):
            self.followed = request_id
        elif is_mine:
            self.followed = document.request_id or request_id
        self.joined |= joined and is_mine

    def _came_out(self, present: Request | None) -> RequestDocument | None:
        """Return the request that another producer put there after we read the place: it must not get lost."""
        out = read_request(self._place.here / self._draft)
        if out is None or present is None or out.identity == present.identity:
            return None
        return out.document

    def _was_taken(self, joined: Identity, written: Identity | None) -> bool:
        """Return whether the daemon had taken the request that we joined, and serves it alone."""
        ends_s = time.monotonic() + _NOTICE_LIMIT_S
        while is_locked(self._store.lock_file) and time.monotonic() < ends_s:
            taken = set(self._taken())
            if joined in taken:
                return True
            last = latest(self._store)
            if written in taken or (last is not None and not last.is_finished):
                return False
            time.sleep(_CHECK_EVERY_S)
        return False

    def _taken(self) -> Iterator[Identity]:
        for identifier in newer_ids(self._store, self._after):
            with suppress(StateUnreadableError):
                yield Identity.of(self._store.load(identifier).request)


def _united(
    waiting: RequestDocument | None, wanted: RequestDocument, successor: Callable[[str], str]
) -> RequestDocument:
    """Return the request for all that both ask for. It has the ids of both, if there is room."""
    if waiting is None:  # unsound: its answer would have said so; replaced, it needs none
        return wanted
    ids = [text for text in (waiting.request_id, wanted.request_id) if text]
    both = " ".join(dict.fromkeys(ids))
    request_id = both if len(both) <= MAX_REQUEST_ID else waiting.request_id
    if waiting.nodes is None or wanted.nodes is None:
        return RequestDocument(nodes=None, request_id=request_id)
    names = [successor(name) for name in (*waiting.nodes, *wanted.nodes)]
    return RequestDocument(nodes=list(dict.fromkeys(names)), request_id=request_id)
