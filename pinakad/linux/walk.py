"""Opens a folder step by step, with each link checked before it is followed: no part of the way can be exchanged.

It follows path_resolution(7), with two differences. A link to `/` leads to the given root folder, as with
RESOLVE_IN_ROOT of openat2(2) (Linux 5.6). And with `as_owner` root takes on the rights of the first other user whose
folder is on the way, and follows no link that another user could have put there.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from pinakad.linux.access_list import WRITE, access_list
from pinakad.linux.rights import Rights, has_rights_of_all, held

_MAX_LINKS = 40  # path_resolution(7)
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_ENTRY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FOLDER_MODE = 0o755


class Walk:
    """One walk through the folders. `here` is the descriptor (O_PATH) of the folder that was reached."""

    def __init__(self, root: Path = Path("/"), *, as_owner: bool = False, make: bool = False) -> None:
        """`as_owner`: see the module; `make`: make the folders that are missing, with mode 0755. Raises OSError."""
        self.rights: Rights | None = None
        self._as_owner, self._make = as_owner, make
        self._links = 0
        self._root = os.open(root, _FOLDER)
        self.here = os.dup(self._root)

    def close(self) -> None:
        """Close the descriptors."""
        for descriptor in (self.here, self._root):
            with suppress(OSError):
                os.close(descriptor)

    def to(self, path: Path) -> None:
        """Go to a folder by its path from the root folder, with or without a leading `/`. Raises OSError."""
        rest = [part for part in reversed(path.parts) if part != "/"]
        self._shed()
        while rest:
            self._step(rest.pop(), rest)
            self._shed()

    def _shed(self) -> None:
        if self._as_owner and self.rights is None:
            self.rights = Rights.of_owner(os.fstat(self.here))

    def _step(self, name: str, rest: list[str]) -> None:
        if name == ".." and self._is_at_root():
            return
        with held(self.rights):
            entry = self._open(name)
            status = os.fstat(entry)
            if not stat.S_ISLNK(status.st_mode):
                if not stat.S_ISDIR(status.st_mode):
                    os.close(entry)
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
                self._arrive(entry)
                return
            try:
                self._follow(os.readlink("", dir_fd=entry), status, name, rest)
            finally:
                os.close(entry)

    def _open(self, name: str) -> int:
        try:
            return os.open(name, _ENTRY, dir_fd=self.here)
        except FileNotFoundError:
            if not self._make:
                raise
        with suppress(FileExistsError):
            os.mkdir(name, _NEW_FOLDER_MODE, dir_fd=self.here)
        return os.open(name, _ENTRY, dir_fd=self.here)

    def _follow(self, target: str, status: os.stat_result, name: str, rest: list[str]) -> None:
        self._links += 1
        if self._links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        if self._as_owner and has_rights_of_all() and self._is_shared(status):
            text = "it is a link in a folder that others may write, and root does not follow it"
            raise OSError(errno.ELOOP, text, name)
        if target.startswith("/"):
            self._arrive(os.dup(self._root))
        rest += [part for part in reversed(Path(target).parts) if part != "/"]

    def _is_shared(self, link: os.stat_result) -> bool:
        """Return whether a user other than the folder's owner could have put the link here.

        In a folder with the sticky bit that is the link's owner.
        """
        folder = os.fstat(self.here)
        if folder.st_mode & stat.S_ISVTX:
            return link.st_uid not in (0, folder.st_uid)
        if folder.st_mode & stat.S_IWOTH:
            return True
        found = access_list(Path(f"/proc/self/fd/{self.here}/."), folder)
        by_group = bool(found.owning_group & WRITE) and folder.st_gid != 0
        return by_group or any(grant.permissions & WRITE for grant in found.named)

    def _is_at_root(self) -> bool:
        return os.path.samestat(os.fstat(self.here), os.fstat(self._root))

    def _arrive(self, descriptor: int) -> None:
        os.close(self.here)
        self.here = descriptor


def resolved_in(root: Path, place: Path) -> Path:
    """Return the path of `place` in the file system at `root`, with each link followed within `root`.

    Use it only to read, as other users may change the path in the meantime. A part that does not exist is kept as
    written. Raises OSError.
    """
    found, rest, links = root, [part for part in reversed(place.parts) if part != "/"], 0
    while rest:
        name = rest.pop()
        step = found / name
        if name == "..":
            found = found if found == root else found.parent
        elif step.is_symlink():
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(step))
            target = step.readlink()
            found = root if target.is_absolute() else found
            rest += [part for part in reversed(target.parts) if part != "/"]
        else:
            found = step
    return found
