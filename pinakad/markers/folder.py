"""The marker folder as an API: what is asked, and what was answered?

Every check lists the folder; events are hints that only wake the daemon. Each task has a module of its own: when a
request is complete (settling.py), how the answer gets there (answers.py), how a served request goes (aside.py), what
cannot be removed (removal.py), and by which clock touches count (clock.py).
"""

from pathlib import Path

from pinakad.linux.clock import boot_id
from pinakad.linux.files import sync_folder, sync_if_regular
from pinakad.markers.answers import Answers
from pinakad.markers.aside import AsideRequests
from pinakad.markers.clock import MarkerClock
from pinakad.markers.names import CANCEL, REQUEST
from pinakad.markers.removal import MarkerRemoval
from pinakad.markers.request import Request, read_request, status_of
from pinakad.markers.settling import Settling
from pinakad.state.served import FolderIdentity
from pinakad.state.troubles import Troubles


class Markers:
    """One marker folder. Every method raises OSError where the folder cannot be used for now.

    `troubles` gets what cannot be removed; a process that removes nothing needs none.
    """

    def __init__(self, folder: Path, troubles: Troubles | None = None) -> None:
        self.folder = folder
        self.removal = MarkerRemoval(folder, Troubles() if troubles is None else troubles)
        self.answers = Answers(folder, self.removal)
        self.asides = AsideRequests(folder, self.removal)
        self.clock = MarkerClock(folder)
        self._request = folder / REQUEST
        self.settling = Settling(self._request)

    def read(self) -> Request | None:
        """Read the request that is there, None where there is none."""
        return read_request(self._request)

    def is_requested(self) -> bool:
        """Return whether anything has the request's name."""
        return status_of(self._request) is not None

    def identity(self) -> FolderIdentity:
        """Return the identity of the folder that the path leads to now. Raises OSError where there is none."""
        status = self.folder.stat()
        return FolderIdentity(boot_id=boot_id(), device=status.st_dev, inode=status.st_ino)

    def make_durable(self) -> None:
        """Make durable which names the folder has, and the request's content and times.

        What is written down of a request must be what a power cut leaves of it. A request that cannot be opened is left
        as it is.
        """
        sync_if_regular(self._request)
        sync_folder(self.folder)

    def cancel_came_ns(self) -> int | None:
        """Return when somebody asked to cancel, by the file system's clock (ctime); None where nobody does."""
        status = status_of(self.folder / CANCEL)
        return None if status is None else status.st_ctime_ns

    def remove_cancel(self) -> bool:
        """Remove the cancel marker; return whether there was one. It is an obstacle where it cannot be removed."""
        return self.removal.remove_durably(CANCEL)

    def keeps_cancel(self) -> bool:
        """Return whether a cancel marker is there that can be neither removed nor moved away."""
        return CANCEL in self.removal.obstacles
