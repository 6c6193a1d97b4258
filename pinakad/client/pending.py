"""Which request waits to be served, and which one was taken already?"""

from pinakad.client.errors import NoMarkersError, NoReadError
from pinakad.client.lookup import latest
from pinakad.markers.folder import Markers
from pinakad.markers.request import Identity, Request
from pinakad.state.store import Store


def unserved(store: Store, markers: Markers) -> Request | None:
    """Return the request in the marker folder that waits to be served, None where there is none.

    A request that is being served, or was served and could not be removed yet, does not wait. Raises NoMarkersError
    and NoReadError.
    """
    try:
        found = markers.read()
    except OSError as error:
        raise NoMarkersError(markers.folder, error) from error
    return None if found is None or is_served(store, found) else found


def is_served(store: Store, found: Request) -> bool:
    """Return whether a request that is in the marker folder was taken already. Raises NoReadError.

    A file that is linked in again has the identity of the last request and is a new one: the last request's own file
    was removed before.
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


def carries(ids: str | None, request_id: str) -> bool:
    """Return whether `request_id` is among `ids`: one request's id, or, separated by spaces, those of the requests
    that were joined to one.
    """
    return ids is not None and f" {request_id} " in f" {ids} "
