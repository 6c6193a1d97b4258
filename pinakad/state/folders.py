"""Makes the folders of the state folder, and makes them again where somebody else has removed them."""

import errno
import logging
from pathlib import Path

from pinakad.events import Event, fields
from pinakad.linux.files import make_folder, sync_file_system, sync_folder
from pinakad.state.removal import empty_trash
from pinakad.state.served import ServedRequests

log = logging.getLogger(__name__)


class StateFolders:
    """The state folder and the folders in it. Every method raises OSError where one cannot be written."""

    def __init__(self, root: Path, served: ServedRequests) -> None:
        self.root = root
        self.deployments = root / "deployments"
        self.canary = root / "canary"
        self._served = served

    def prepare(self) -> None:
        """Make the folders that are missing, read served.json, and end the removals that an earlier daemon had begun.

        What that daemon wrote last is durable at the return: a power cut does not take back what is read from now on.
        """
        for folder in (self.deployments, self.canary):
            if folder.is_symlink():
                raise OSError(errno.ELOOP, "it is a link, and the folder must be here", str(folder))
            if not folder.is_dir():
                make_folder(folder)
        self._served.load()
        sync_file_system(self.root)
        empty_trash(self.deployments)

    def ensure(self) -> None:
        """Make the folders again that somebody else has removed: without them no request can be taken."""
        if self.deployments.is_dir() and self.canary.is_dir():
            return
        self.make_again()
        text = "what was in the state folder '%s' was removed by somebody else; the folders are made again"
        log.error(text, self.root, extra=fields(Event.STORAGE))

    def make_again(self) -> None:
        """Make the folders and served.json again: somebody else may have removed all of them."""
        for folder in (self.root, self.deployments, self.canary):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not self._served.path.exists():
            self._served.write_again()
        sync_folder(self.root)

    def make_deployment_again(self, identifier: str) -> None:
        """Make the folder of the running deployment again: its run goes on although its record was removed."""
        self.make_again()
        (self.deployments / identifier).mkdir(mode=0o755, exist_ok=True)
        text = "the record of the running deployment %s was removed by somebody else; it is made again"
        log.error(text, identifier, extra=fields(Event.STORAGE, deployment_id=identifier))
        sync_folder(self.deployments)
