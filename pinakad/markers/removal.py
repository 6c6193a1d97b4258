"""Removes names from the marker folder; one that cannot be removed delays nothing else.

What cannot be removed (a folder with something in it) is moved away. What cannot even be moved (immutable, or another
user's in a sticky folder) is an obstacle: it is reported, and everything else goes on.
"""

import errno
import logging
import os
import secrets
import stat
from pathlib import Path

from pinakad.events import Event, fields
from pinakad.linux.files import sync_folder
from pinakad.markers.names import AWAY
from pinakad.markers.request import status_of
from pinakad.printable import cause_of
from pinakad.state.troubles import Troubles

log = logging.getLogger(__name__)

OF_ONE_NAME = {errno.EPERM, errno.EACCES, errno.ENOTEMPTY, errno.EBUSY, errno.EISDIR, errno.ENOTDIR}
"""Errors that are about what has the name; any other is about the folder, and waited out."""


class MarkerRemoval:
    """Removes names of one folder. `obstacles` has, by name, why it can be neither removed nor moved away.

    Every method raises OSError where the folder cannot be used for now.
    """

    def __init__(self, folder: Path, troubles: Troubles) -> None:
        self.obstacles: dict[str, str] = {}
        self._folder = folder
        self._troubles = troubles

    def remove_durably(self, *names: str) -> bool:
        """Remove these names; return whether any of them was there.

        A power cut must not bring back an old answer, nor an old cancel.
        """
        removed = [name for name in names if self.remove(name)]
        if removed:
            sync_folder(self._folder)
        return bool(removed)

    def remove(self, name: str) -> bool:
        """Remove whatever has this name; return whether there was something. It is an obstacle where it is left."""
        try:
            there = _remove(self._folder / name)
        except OSError as error:
            self.move_away(name, error)
            return True
        self.cleared(name)
        return there

    def move_away(self, name: str, cause: OSError) -> None:
        """Move away what could not be removed because of `cause`. It is an obstacle where it is left."""
        path, away = self._folder / name, self._folder / f"{AWAY}{name.lstrip('.')}-{secrets.token_hex(4)}"
        try:
            path.rename(away)
        except OSError as error:
            if error.errno not in OF_ONE_NAME or not os.access(self._folder, os.W_OK | os.X_OK):
                raise
            self._note_obstacle(name, error)
        else:
            self.cleared(name)
            text = "cannot remove '%s': %s; it is moved to '%s'"
            log.warning(text, path, cause_of(cause), away.name, extra=fields(Event.REQUEST_PROBLEM))

    def cleared(self, name: str) -> None:
        """Note that this name is no obstacle any more."""
        self.obstacles.pop(name, None)
        self._troubles.clear(_source(name))

    def _note_obstacle(self, name: str, error: OSError) -> None:
        path = self._folder / name
        text = f"cannot remove '{path}': {cause_of(error)}; remove it as root (chattr -i first where it is immutable)"
        self.obstacles[name] = text
        self._troubles.note(_source(name), text, Event.REQUEST_PROBLEM)


def is_folder(path: Path) -> bool:
    """Return whether the name itself is a folder; a link to one is not. Raises OSError."""
    status = status_of(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _remove(path: Path) -> bool:
    """Remove a name, whatever it is, without following it; an empty folder too."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except (IsADirectoryError, PermissionError):
        if not is_folder(path):
            raise
        path.rmdir()
    return True


def _source(name: str) -> str:
    return f"remove {name}"
