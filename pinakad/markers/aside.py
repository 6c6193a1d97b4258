"""Sets a served request aside, and puts it back where it was touched meanwhile.

The law: a request is known by its identity (inode, mtime, size, content). A request that differs from the served one
is another request, and no file leaves the folder before it was compared. A process that has the file open may still
touch it after it was set aside, so that the file is kept for a while under a name of ours, `.pinakad-request-<id>`.
"""

import logging
import os
from pathlib import Path

from pinakad.linux.files import link_or_move, sync_folder, sync_if_regular
from pinakad.markers.names import OURS, REQUEST
from pinakad.markers.removal import MarkerRemoval, is_folder
from pinakad.markers.request import Identity, read_request, status_of
from pinakad.state.crash_points import CrashPoint, crash_point

log = logging.getLogger(__name__)

_ASIDE = OURS + "request-"


class AsideRequests:
    """The requests of one marker folder that are set aside. Every method raises OSError where it cannot be used."""

    def __init__(self, folder: Path, removal: MarkerRemoval) -> None:
        self._folder = folder
        self._request = folder / REQUEST
        self._removal = removal

    def ids(self) -> list[str]:
        """Return the ids of the deployments whose requests are set aside."""
        return [entry.name[len(_ASIDE) :] for entry in os.scandir(self._folder) if entry.name.startswith(_ASIDE)]

    def set_aside(self, served: Identity, identifier: str) -> bool:
        """Take the served request out of the way; return whether it had still been there, and is not there now.

        A request that differs from `served` is another one and stays, or comes back.
        """
        found = read_request(self._request)
        if found is None:
            return False
        if found.identity != served:
            sync_if_regular(self._request)  # else a power cut could undo the touch, and the served request were back
            return False
        if is_folder(self._request):
            return self._removal.remove_durably(REQUEST) and REQUEST not in self._removal.obstacles
        aside = self._folder / (_ASIDE + identifier)
        try:
            with crash_point(CrashPoint.REQUEST_SET_ASIDE):
                self._request.rename(aside)
        except FileNotFoundError:
            return False
        sync_folder(self._folder)  # before it is written down that the request is gone: a power cut must not undo it
        again = read_request(aside)
        if again is not None and again.identity != served:
            self._put_back(aside, None)
        return True

    def release(
        self, identifier: str, served: Identity | None, *, keep: bool = False, running: Identity | None = None
    ) -> bool:
        """Remove a request that was set aside, or put it back where it was touched since; return whether it is gone.

        `served` None: its identity is not known, so that it counts as a request. `keep`: an untouched one stays for
        now. `running`: the request that is being served now; the touch may be later than the start of that run.
        What is gone is durably gone: a power cut must not bring it back beside a request that is served after it.
        """
        aside = self._folder / (_ASIDE + identifier)
        found = read_request(aside)
        if found is None:
            return True
        if found.identity != served:
            return self._put_back(aside, running)
        if keep:
            return False
        with crash_point(CrashPoint.REQUEST_REMOVED):
            self._removal.remove_durably(aside.name)
        return True

    def _put_back(self, aside: Path, running: Identity | None) -> bool:
        """Return whether the request is in its place again, or a newer one is.

        An even newer request in its place wins: link(2) does not replace. A request that is being served is not newer:
        then its end is waited for.

        The place is durable before the name aside goes: a power cut leaves one of them or both. Both are one file, and
        then only the name aside goes. The touch is durable before both: without it, the file would be the served one.
        """
        sync_if_regular(aside)
        with crash_point(CrashPoint.REQUEST_PUT_BACK):
            try:
                link_or_move(aside, self._request, durable=True)
            except FileExistsError:
                if not self._is_in_place(aside) and not self._has_newer(running):
                    return False
                self._removal.remove_durably(aside.name)
        log.info("the request was touched while it was being served: it counts again")
        return True

    def _has_newer(self, running: Identity | None) -> bool:
        found = read_request(self._request)
        return found is not None and found.identity != running

    def _is_in_place(self, aside: Path) -> bool:
        one, other = status_of(aside), status_of(self._request)
        return one is not None and other is not None and os.path.samestat(one, other)
